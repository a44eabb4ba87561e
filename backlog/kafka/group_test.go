package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"nightshift.dev/nightshift/orchestrator"
)

// shareGroup lets a member settle two of five records.
func shareGroup(t *testing.T, w *world) {
	w.topic("k18", 1)
	w.produce("k18", 0, 5)
	w.shareFromBeginning("s18")
	none := w.reader(Source{Topic: "k18", Group: "s18", Share: true})
	pending(t, w.right(none), 5, false, 0)
	member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ShareGroup("s18"), kgo.ConsumeTopics("k18"), kgo.FetchMaxWait(100*time.Millisecond))
	must(t, err)
	defer member.Close()
	taken := 0
	must(t, eventuallyNil(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		records := member.PollRecords(ctx, 2).Records()
		member.MarkAcks(kgo.AckAccept, records...)
		taken += len(records)
		if taken == 0 {
			return errors.New("the member has no record yet")
		}
		return nil
	}))
	must(t, member.FlushAcks(t.Context()))
	member.Close()
	b := w.until(none, "what was taken is settled", func(b orchestrator.Backlog) bool {
		return b.Err == "" && b.Pending == int64(5-taken) && b.Settled == int64(taken)
	})
	pending(t, b, int64(5-taken), false, 0)
	w.held(w.reader(Source{Topic: "k18", Group: "s18"}), "group s18 is a share group")
}

// shareFromBeginning lets a share group begin at the start of its topics, which is no default.
func (w *world) shareFromBeginning(group string) {
	w.t.Helper()
	const groups = 32 // the type of resource
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = groups, group
	resource.Configs = append(resource.Configs, setting)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(w.t.Context(), w.client)
	must(w.t, err)
	must(w.t, code(response.Resources[0].ErrorCode))
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
