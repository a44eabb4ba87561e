package jetstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	backlog "nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/orchestrator"
)

// results are those of so many rows of one shard, as an attempt publishes them.
func results(attempt string, count int) (rows []orchestrator.Published) {
	for i := range count {
		rows = append(rows, orchestrator.Published{Shard: "job/7", Row: int64(100 + i), Attempt: attempt, Source: "nats://PAYMENTS", Line: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	return rows
}

// G11, G12: what another attempt publishes again has the same identity, and is stored once while the stream remembers it.
func TestResultsKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 0)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][]orchestrator.Published{results("first", 700), results("second", 1000)} {
		if err := backlog.Publish(t.Context(), js, "scored.pay", rows); err != nil {
			t.Fatal(err)
		}
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Msgs != 1000 {
		t.Fatalf("%d results are stored, want 1000 (%v)", info.State.Msgs, err)
	}
	for at := range 1000 {
		message, err := stream.GetMsg(t.Context(), uint64(at+1))
		if err != nil {
			t.Fatal(err)
		}
		attempt := "first"
		if at >= 700 {
			attempt = "second"
		}
		header := message.Header
		if header.Get(orchestrator.HeaderShard) != "job/7" || header.Get(orchestrator.HeaderRow) != fmt.Sprint(100+at) || header.Get("Nats-Msg-Id") != fmt.Sprint("job/7/", 100+at) ||
			header.Get(orchestrator.HeaderSource) != "nats://PAYMENTS" || header.Get(orchestrator.HeaderAttempt) != attempt || string(message.Data) != fmt.Sprintf(`{"n":%d}`, at) {
			t.Fatalf("result %d is %s with %v", at, message.Data, header)
		}
	}
}

// A result that is too large for the server, or for the stream, is refused by itself.
func TestResultThatIsTooLarge(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 0)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored.>"}, MaxMsgSize: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	rows := results("first", 5)
	rows[1].Line = []byte(strings.Repeat("x", 20_000))
	rows[3].Line = []byte(strings.Repeat("x", 2<<20))
	if err := backlog.Publish(t.Context(), js, "scored.pay", rows); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if (row.Refused != "") != (i == 1 || i == 3) {
			t.Errorf("row %d of %d bytes: %q", i, len(row.Line), row.Refused)
		}
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 3 {
		t.Errorf("%d results are stored (%v), want 3", info.State.Msgs, err)
	}
}

// G13: nothing takes the results, or the stream that does is full.
func TestResultsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 0)
	source := orchestrator.NATSSource{Stream: "PAYMENTS", Consumer: "scoring"}
	fails := func(what string, err error, code, words string) {
		t.Helper()
		var failed *orchestrator.SourceError
		if !errors.As(err, &failed) || failed.Code != code || !strings.Contains(failed.Message, words) {
			t.Errorf("%s: %v, want %s and %q", what, err, code, words)
		}
	}
	fails("no stream", backlog.Publish(t.Context(), js, "scored.pay", results("first", 1)), orchestrator.SourceUnavailable, "nats stream add")
	fails("no stream", backlog.CheckResults(t.Context(), js, source, "scored.pay"), orchestrator.SourceRefused, "nats stream add")
	fails("its own stream", backlog.CheckResults(t.Context(), js, source, "pay.scored"), orchestrator.SourceRefused, "come back")
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "SCORED", Subjects: []string{"scored.>"}, MaxMsgs: 10, Discard: jetstream.DiscardNew}); err != nil {
		t.Fatal(err)
	}
	if err := backlog.CheckResults(t.Context(), js, source, "scored.pay"); err != nil {
		t.Error(err)
	}
	fails("a full stream", backlog.Publish(t.Context(), js, "scored.pay", results("first", 11)), orchestrator.SourceUnavailable, "maximum messages")
}
