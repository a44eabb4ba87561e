package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// resultsArePublished also marks what is too large, and says when there is no topic.
func resultsArePublished(t *testing.T, w *world) {
	w.topic("scored", 3, "max.message.bytes=5000")
	cluster, err := Open(Connection{Brokers: w.brokers})
	must(t, err)
	t.Cleanup(cluster.Close)
	var rows []orchestrator.Published
	for i := range 300 {
		rows = append(rows, orchestrator.Published{
			Shard: "job/7", Row: int64(i), Attempt: "w-1", Source: URI("rows", 2), Key: fmt.Sprint("k", i%10), Line: fmt.Appendf(nil, `{"n":%d}`, i),
		})
	}
	rows[100].Line, rows[200].Line = incompressible(8000), make([]byte, 2<<20) // too large for the topic, and for a batch
	must(t, cluster.Publish(t.Context(), "scored", rows))
	for i, row := range rows {
		if (row.Refused != "") != (i == 100 || i == 200) {
			t.Errorf("row %d of %d bytes: %q", i, len(row.Line), row.Refused)
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumeTopics("scored"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(t, err)
	t.Cleanup(reader.Close)
	partitions, seen, left := map[string]int32{}, map[int]bool{}, 298
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for left > 0 && ctx.Err() == nil {
		reader.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			left--
			header := map[string]string{}
			for _, one := range record.Headers {
				header[one.Key] = string(one.Value)
			}
			var n int
			if _, err := fmt.Sscanf(string(record.Value), `{"n":%d}`, &n); err != nil || header[orchestrator.HeaderShard] != "job/7" || header[orchestrator.HeaderRow] != fmt.Sprint(n) ||
				header[orchestrator.HeaderAttempt] != "w-1" || header[orchestrator.HeaderSource] != "kafka://rows/2" {
				t.Errorf("result %.60s with %v (%v)", record.Value, header, err)
			}
			key := string(record.Key)
			if before, known := partitions[key]; known && before != record.Partition {
				t.Errorf("key %s is in partitions %d and %d", key, before, record.Partition)
			}
			partitions[key], seen[n] = record.Partition, true
		})
	}
	if left > 0 || len(seen) != 298 {
		t.Errorf("%d results are missing, %d rows are there", left, len(seen))
	}
	refused := func(what string, err error, code string) {
		t.Helper()
		var failed *orchestrator.SourceError
		if !errors.As(err, &failed) || failed.Code != code || !strings.Contains(failed.Message, "nowhere") {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	source := orchestrator.KafkaSource{Topic: "rows", Group: "scoring"}
	must(t, cluster.CheckResults(t.Context(), source, "scored"))
	refused("no such topic", cluster.CheckResults(t.Context(), source, "nowhere"), orchestrator.SourceRefused)
	refused("no such topic", cluster.Publish(t.Context(), "nowhere", rows[:1]), orchestrator.SourceUnavailable)
}

// incompressible text stays as long as it is: brokers look at the length of a batch as it comes.
func incompressible(length int) []byte {
	text := make([]byte, length)
	_, _ = rand.Read(text) // never fails, see its documentation
	return text
}

func TestRightToPublish(t *testing.T) {
	t.Parallel()
	if got := told(producing+"scored", kerr.TopicAuthorizationFailed); got != "produce results to topic scored: not allowed; the user needs WRITE on the topic" {
		t.Error(got)
	}
}
