package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a caller can do something about; each error also says what Ray answered.
var (
	ErrNotFound = errors.New("there is no such job")
	ErrExists   = errors.New("there is a job with this submission id already")
	ErrRefused  = errors.New("the token is missing or wrong")
	ErrTooOld   = errors.New("this version of Ray is too old")
)

const (
	callWithin   = 10 * time.Second
	submitWithin = 30 * time.Second // the head starts a process first
	uploadWithin = 2 * time.Minute
	mostAnswer   = 16 << 20 // bytes of an answer that are read: all jobs of a head
	mostText     = 300      // bytes of a refusal that are shown
)

// Client talks to one dashboard.
type Client struct {
	address string
	token   string
	http    *http.Client
}

// New talks to the dashboard at an address such as http://raycluster-head-svc.default.svc:8265; token is Ray's, where it asks for one.
func New(address, token string) *Client {
	return &Client{
		address: strings.TrimSuffix(address, "/"), token: token,
		// A proxy of the environment does not lead into the cluster, and a redirect would take the token elsewhere.
		http: &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Minute}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request; the caller's deadline and within both hold. An answer of 400 and above is an error.
func (c *Client) call(ctx context.Context, within time.Duration, method, path string, body io.Reader, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.address+path, body)
	if err != nil {
		return fmt.Errorf("ask Ray's dashboard: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask Ray's dashboard: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or given up
	data, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	case len(data) > mostAnswer:
		return fmt.Errorf("%s %s: the answer is longer than %d bytes", method, path, mostAnswer)
	case response.StatusCode >= http.StatusMultipleChoices:
		return refusal(method, path, response.StatusCode, string(data))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("%s %s: the answer is not Ray's: %w", method, path, err)
	}
	return nil
}

// refusal tells apart what Ray answers; a second job of one submission id is a 500 with the reason in a traceback (2.60).
func refusal(method, path string, status int, text string) error {
	exists := strings.Contains(text, "already exists")
	if text = strings.TrimSpace(text); len(text) > mostText { // a traceback says at its end what it is
		text = "..." + text[len(text)-mostText:]
	}
	said := fmt.Sprintf("%s %s: HTTP %d: %s", method, path, status, text)
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%s: %w", said, ErrRefused)
	case status == http.StatusNotFound:
		return fmt.Errorf("%s: %w", said, ErrNotFound)
	case exists:
		return fmt.Errorf("%s: %w", said, ErrExists)
	}
	return errors.New(said)
}

// Submission is a job to start.
type Submission struct {
	ID         string            `json:"submission_id"`
	Entrypoint string            `json:"entrypoint"` // a command line of a shell
	RuntimeEnv RuntimeEnv        `json:"runtime_env"`
	Metadata   map[string]string `json:"metadata,omitempty"`
}

// RuntimeEnv is what the processes of a job find. Everybody who can see the dashboard can read it: no secrets.
type RuntimeEnv struct {
	WorkingDir string            `json:"working_dir,omitempty"`
	EnvVars    map[string]string `json:"env_vars,omitempty"`
}

// Submit starts a job. ErrExists: it has been submitted before, and may run or have ended.
func (c *Client) Submit(ctx context.Context, submission Submission) error {
	body, err := json.Marshal(submission)
	if err != nil {
		return fmt.Errorf("encode job %s: %w", submission.ID, err)
	}
	return c.call(ctx, submitWithin, http.MethodPost, "/api/jobs/", bytes.NewReader(body), nil)
}

// Status is where a job stands.
type Status string

// The states that Ray has.
const (
	Pending   Status = "PENDING"
	Running   Status = "RUNNING"
	Stopped   Status = "STOPPED"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
)

// Ended says that the job will not run any more.
func (s Status) Ended() bool { return s == Stopped || s == Succeeded || s == Failed }

// Job is what Ray says of a job that was submitted.
type Job struct {
	ID      string `json:"submission_id"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	Start   int64  `json:"start_time"` // milliseconds since 1970
	End     int64  `json:"end_time"`   // 0: it has not ended
}

// Ran is how long an ended job ran.
func (j Job) Ran() time.Duration { return time.Duration(j.End-j.Start) * time.Millisecond }

// Job reads one job. ErrNotFound: there is none.
func (c *Client) Job(ctx context.Context, id string) (job Job, err error) {
	err = c.call(ctx, callWithin, http.MethodGet, "/api/jobs/"+url.PathEscape(id), nil, &job)
	return job, err
}

// Jobs reads all jobs that were submitted, in no order.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	var all []Job
	if err := c.call(ctx, callWithin, http.MethodGet, "/api/jobs/", nil, &all); err != nil {
		return nil, err
	}
	submitted := all[:0]
	for _, one := range all {
		if one.ID != "" { // Ray also lists drivers that nobody has submitted
			submitted = append(submitted, one)
		}
	}
	return submitted, nil
}

// Stop asks a job to end; it gets a SIGTERM first. Of one that has ended nothing is asked.
func (c *Client) Stop(ctx context.Context, id string) error {
	return c.call(ctx, callWithin, http.MethodPost, "/api/jobs/"+url.PathEscape(id)+"/stop", nil, nil)
}

// Logs reads the last bytes that a job has printed, at most so many.
func (c *Client) Logs(ctx context.Context, id string, most int) (string, error) {
	var answer struct {
		Logs string `json:"logs"`
	}
	err := c.call(ctx, callWithin, http.MethodGet, "/api/jobs/"+url.PathEscape(id)+"/logs", nil, &answer)
	return answer.Logs[max(0, len(answer.Logs)-most):], err
}

// Upload stores a package for runtime environments under its name, NAME.zip, unless it is there, and gives the URI for RuntimeEnv.WorkingDir. Asking keeps it for the ten
// minutes in which a job that needs it has to be submitted; later it lives as long as a job uses it. write is called only where it is missing.
func (c *Client) Upload(ctx context.Context, name string, write func(io.Writer) error) (uri string, err error) {
	path, uri := "/api/packages/gcs/"+url.PathEscape(name), "gcs://"+name
	err = c.call(ctx, callWithin, http.MethodGet, path, nil, nil)
	if !errors.Is(err, ErrNotFound) {
		return uri, err
	}
	read, into := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = into.CloseWithError(write(into)) // never an error; the reader gets write's
	}()
	err = c.call(ctx, uploadWithin, http.MethodPut, path, read, nil)
	_ = read.CloseWithError(errors.New("the upload has ended")) // as above
	<-written
	return uri, err
}
