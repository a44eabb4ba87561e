package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// client makes requests of one tenant.
type client struct {
	conn    *nats.Conn
	tenant  string
	within  time.Duration
	address string // for messages

	mu      sync.Mutex
	refused error              // what the server does not permit this user
	giveUp  context.CancelFunc // ends the wait for the answer to the present request
}

// client connects. The caller closes it.
func (p *program) client() (*client, error) {
	if !notation.ValidName(p.tenant) {
		return nil, &usageError{message: fmt.Sprintf("tenant %q; allowed: %s", p.tenant, notation.NameForm)}
	}
	c := &client{tenant: p.tenant, within: p.within}
	conn, err := p.dial("nightshift command line", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.complain(err) }))
	if err != nil {
		return nil, err
	}
	c.conn, c.address = conn, redacted(conn.ConnectedUrl())
	return c, nil
}

func (c *client) close() { c.conn.Close() }

// complain hears what the server says beside answers. A request that it does not permit will never be answered.
func (c *client) complain(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	c.refused = err
	if c.giveUp != nil {
		c.giveUp()
	}
}

// unavailableError says that nobody answered: the same request may succeed later.
type unavailableError struct{ message string }

func (e *unavailableError) Error() string { return e.message }

// unavailable says whether the same request may succeed later.
func unavailable(err error) bool {
	var refused *api.Error
	return errors.As(err, new(*unavailableError)) || errors.As(err, &refused) && refused.Code == api.CodeUnavailable
}

// request sends a request and reads its answer. An *api.Error is the service's refusal.
func request[T any](ctx context.Context, c *client, operation string, body any) (T, error) {
	var none T
	data, err := json.Marshal(body)
	if err != nil {
		return none, fmt.Errorf("encode the request %s: %w", operation, err)
	}
	bounded, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	c.mu.Lock()
	c.giveUp = cancel
	c.mu.Unlock()
	message, err := c.conn.RequestWithContext(bounded, "nightshift.v1."+c.tenant+"."+operation, data)
	if err != nil {
		return none, c.unanswered(ctx, operation, err)
	}
	return api.DecodeResponse[T](message.Data)
}

// unanswered says why there is no answer and what to do next.
func (c *client) unanswered(ctx context.Context, operation string, err error) error {
	c.mu.Lock()
	refused := c.refused
	c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, nats.ErrNoResponders):
		return &unavailableError{fmt.Sprintf("NATS at %s is there, but no nightshift service answers on it. nightshift dev or nightshift run starts one, nightshift doctor looks for the cause", c.address)}
	case refused != nil:
		return fmt.Errorf("the NATS server does not permit this user to ask nightshift as tenant %q (%s)", c.tenant, strings.TrimPrefix(refused.Error(), "nats: "))
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return &unavailableError{fmt.Sprintf("no answer to %s within %s (--request-timeout). nightshift doctor looks for the cause", operation, c.within)}
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("the request is longer than NATS at %s takes (%d bytes)", c.address, c.conn.MaxPayload())
	}
	return &unavailableError{fmt.Sprintf("the request %s failed: %s", operation, strings.TrimPrefix(err.Error(), "nats: "))}
}

// latest is the name of the tenant's newest job.
const latest = "@latest"

// identify gives the identifier that a JOB argument stands for.
func (c *client) identify(ctx context.Context, name string) (string, error) {
	if name != latest {
		return name, nil
	}
	answer, err := request[api.ListResponse](ctx, c, "jobs.list", api.ListRequest{Limit: 1})
	if err != nil {
		return "", err
	}
	if len(answer.Jobs) == 0 {
		return "", fmt.Errorf("tenant %q has no jobs, so there is no %s", c.tenant, latest)
	}
	return answer.Jobs[0].ID, nil
}

// job gets the job that a JOB argument names.
func (c *client) job(ctx context.Context, name string) (api.Job, error) {
	id, err := c.identify(ctx, name)
	if err != nil {
		return api.Job{}, err
	}
	answer, err := request[api.GetResponse](ctx, c, "jobs.get", api.GetRequest{ID: id})
	return answer.Job, err
}

// flagOf is what the command line calls the fields of requests.
var flagOf = map[string]string{
	"queue": "--queue", "input": "INPUT", "name": "--name", "key": "--row-key", "format": "--format", "idempotencyKey": "--key", "finishBy": "--finish-by",
	"within": "--within", "parameters": "--set", "labels": "--label", "output.format": "--output-format", "output.prefix": "--output",
	"maxCost": "--max-cost", "states": "--status", "limit": "--limit", "continue": "--continue",
	"changes": "--what-if", "documents": "-f", "at": "--at", "from": "--from", "to": "--to",
}

// explained is an error as the command line says it: fields by the names of their flags, one line for each problem.
func explained(err error) string {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return err.Error()
	}
	problems := refused.Problems
	if len(problems) == 0 {
		problems = []api.Problem{{Field: refused.Field, Message: refused.Message}}
	}
	var lines []string
	for _, problem := range problems {
		field, rest := problem.Field, ""
		if field == "id" { // the message names the job
			field = ""
		}
		if flagOf[field] == "" {
			if at := strings.IndexAny(field, "[."); at >= 0 {
				field, rest = field[:at], field[at:]
			}
		}
		if flag := flagOf[field]; flag != "" {
			field = flag
			if rest != "" && field != "INPUT" && rest[0] == '[' { // which one is plain from the value
				rest = ""
			}
		}
		lines = append(lines, api.Problem{Field: field + rest, Message: problem.Message}.String())
	}
	return strings.Join(lines, "\n       ")
}
