package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/calendar"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Config is what the service answers from.
type Config struct {
	Conn  *nats.Conn
	Store *state.Store
	Jobs  *dispatch.Dispatcher
	Plan  func() orchestrator.Plan
	// Schedules are those of the documents, with their runs.
	Schedules *calendar.Calendar
	// Backlogs are the newest readings of the queues' sources.
	Backlogs func() []orchestrator.BacklogStatus
	// Forecast is what arrived at a queue since a time, and what is expected to; false: nobody looks after it.
	Forecast func(queue orchestrator.QueueName, since time.Time) (orchestrator.QueueForecast, bool)
	// Observe is what a decision would look at now, and Documents what decisions follow.
	Observe   func(context.Context) orchestrator.Observation
	Documents document.Set
	Version   string // semantic version of the program
	// EmbeddedServer is the identifier of the NATS server in this process, which syncs every write; empty: NATS runs elsewhere.
	EmbeddedServer string
	Log            *slog.Logger
}

// Service answers requests until it is stopped.
type Service struct {
	config  Config
	micro   micro.Service
	running sync.WaitGroup
	uploads *uploads
	room    chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
}

const (
	// atOnce bounds the requests that are worked on together; more wait in the subscription.
	atOnce = 64
	// answerWithin bounds the work on one request.
	answerWithin = 30 * time.Second
)

// EmbeddedServer is what the service's metadata calls the identifier of the NATS server in its process. Whoever is connected to that very server knows by
// it how what is stored there is kept.
const EmbeddedServer = "embedded-server"

// registerWithin bounds how long the server may take to know the endpoints.
const registerWithin = 10 * time.Second

// Start registers the service and its endpoints. When it returns, the server knows them.
func Start(config Config) (*Service, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{config: config, room: make(chan struct{}, atOnce), ctx: ctx, cancel: cancel, uploads: &uploads{ctx: ctx, open: map[string]*upload{}}}
	metadata := map[string]string{}
	if config.EmbeddedServer != "" {
		metadata[EmbeddedServer] = config.EmbeddedServer
	}
	var err error
	s.micro, err = micro.AddService(config.Conn, micro.Config{
		Metadata: metadata,
		Name:     "nightshift", Version: config.Version, Description: "drains batch-inference backlogs by their deadlines at the lowest GPU cost",
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("register the NATS service: %w", err)
	}
	for _, endpoint := range s.endpoints() {
		err := s.micro.AddEndpoint(strings.ReplaceAll(endpoint.name, ".", "-"), s.handler(endpoint.answer),
			micro.WithEndpointSubject("nightshift.v1.*."+endpoint.name), micro.WithEndpointMetadata(map[string]string{"schema": endpoint.schema}))
		if err != nil {
			s.Stop()
			return nil, fmt.Errorf("register endpoint %s: %w", endpoint.name, err)
		}
	}
	if err := config.Conn.FlushTimeout(registerWithin); err != nil { // who is told that the service is ready may ask at once, over another connection
		s.Stop()
		return nil, fmt.Errorf("register the endpoints: %w", err)
	}
	return s, nil
}

// Stop takes no more requests and waits for those being worked on.
func (s *Service) Stop() {
	_ = s.micro.Stop() // fails only when the connection is gone
	s.cancel()
	s.running.Wait()
	s.uploads.stop()
}

// call is one request.
type call struct {
	tenant string
	data   []byte
	trace  string
}

// endpoint is one operation.
type endpoint struct {
	name   string
	schema string // file in docs/schemas
	answer func(context.Context, call) (any, error)
}

// handler runs an operation beside others and answers with its result or its error.
func (s *Service) handler(answer func(context.Context, call) (any, error)) micro.Handler {
	return micro.HandlerFunc(func(request micro.Request) {
		select {
		case s.room <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		s.running.Go(func() {
			defer func() { <-s.room }()
			ctx, cancel := context.WithTimeout(s.ctx, answerWithin)
			defer cancel()
			result, err := answer(ctx, callOf(request))
			s.respond(request, result, err)
		})
	})
}

func callOf(request micro.Request) call {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(request.Subject(), "nightshift.v1."), ".")
	return call{tenant: tenant, data: request.Data(), trace: traceParent(request.Headers())}
}

// traceContext is the form of the W3C header (Trace Context, section 3.2).
var traceContext = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceParent reads the W3C header, whose name NATS clients may have written in any case. One that is not well formed is as good as none.
func traceParent(headers micro.Headers) string {
	for name, values := range headers {
		if strings.EqualFold(name, "traceparent") && len(values) > 0 && traceContext.MatchString(values[0]) {
			return values[0]
		}
	}
	return ""
}

func (s *Service) respond(request micro.Request, result any, err error) {
	if err == nil {
		err = request.RespondJSON(result)
		if err == nil {
			return
		}
	}
	problem := s.problem(err)
	body, _ := json.Marshal(api.ErrorResponse{Error: problem}) // an api.Error always has a JSON form
	description := strings.ReplaceAll(problem.Message, "\n", " ")
	if err := request.Error(string(problem.Code), description, body); err != nil {
		s.config.Log.Warn("an answer could not be sent", "subject", request.Subject(), "error", err)
	}
}

// problem makes an error fit for users: what they can do something about as it is, anything else without its inside.
func (s *Service) problem(err error) *api.Error {
	var known *api.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.Canceled):
		return &api.Error{Code: api.CodeUnavailable, Message: "not answered in time; try again with the same idempotency key"}
	case errors.Is(err, state.ErrFull):
		return &api.Error{Code: api.CodeUnavailable, Message: "the store is full; delete finished jobs or raise its limit"}
	}
	s.config.Log.Error("a request failed", "error", err)
	return &api.Error{Code: api.CodeInternal, Message: "the service could not do this; its log says why"}
}
