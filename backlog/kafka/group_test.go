package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// shareGroup lets a member settle two of five records.
func shareGroup(t *testing.T, w *world) {
	w.topic("k18", 1)
	w.produce("k18", 0, 5)
	none := w.reader(Source{Topic: "k18", Group: "s18", Share: true})
	pending(t, w.right(none), 5, false, 0)
	member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ShareGroup("s18"), kgo.ConsumeTopics("k18"))
	must(t, err)
	defer member.Close()
	taken := 0
	must(t, eventuallyNil(t, func() error {
		w.produce("k18", 0, 1) // a share group begins at the end
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		taken += member.PollRecords(ctx, 2).NumRecords()
		if taken == 0 {
			return errors.New("the member has no record yet")
		}
		return nil
	}))
	must(t, member.FlushAcks(t.Context()))
	b := w.until(none, "a start offset past the beginning", func(b orchestrator.Backlog) bool { return b.Err == "" && len(b.Parts) == 1 && b.Parts[0].Settled >= 5 })
	t.Logf("taken %d: %+v", taken, b)
	w.held(w.reader(Source{Topic: "k18", Group: "s18"}), "group s18 is a share group")
}

// membersOfOthers reads a group while a member is in it.
func membersOfOthers(t *testing.T, w *world) {
	w.topic("k19", 1)
	w.produce("k19", 0, 8)
	member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup("g19"), kgo.ConsumeTopics("k19"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	must(t, err)
	defer member.Close()
	records := member.PollRecords(t.Context(), 3).Records()
	must(t, member.CommitRecords(t.Context(), records...))
	b := w.right(w.reader(Source{Topic: "k19", Group: "g19"}))
	pending(t, b, int64(8-len(records)), false, 1)
}
