package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
)

// sized is what a check says, as text, once it says as much as is wanted: rights take a moment to reach a broker.
func (w *world) sized(connection Connection, source Source, want ...string) {
	w.t.Helper()
	source.Queue = "q"
	must(w.t, eventuallyNil(w.t, func() error {
		var got []string
		for _, one := range CheckSized(w.t.Context(), connection, source, dueWithin) {
			got = append(got, fmt.Sprintf("%t %s", one.Refused, one.Found))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("-want +got:\n%s", diff)
		}
		return nil
	}))
}

// E17: of a group that others are members of, only what cannot be read is refused; where members begin is asked for, and what the topic may lose.
func TestCheckSized(t *testing.T) {
	_, w := fake(t)
	plain := Connection{Brokers: w.brokers}
	w.sized(plain, Source{Topic: "none", Group: "g"}, "true topic none does not exist")
	w.topic("t", 2)
	never := "false group g has committed nothing on partition %s of topic t: consumers begin where their own setting says, and the queue counts from %s"
	w.sized(plain, Source{Topic: "t", Group: "g"}, fmt.Sprintf(never, "0, 1", "earliest"))
	w.produce("t", 0, 3)
	w.sized(plain, Source{Topic: "t", Group: "g", Start: Latest}, fmt.Sprintf(never, "0, 1", "latest")+"; with latest they skip what comes while the pool is at zero")
	member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	must(t, err)
	defer member.Close()
	records := member.PollRecords(t.Context(), 1).Records()
	must(t, member.CommitRecords(t.Context(), records...))
	w.sized(plain, Source{Topic: "t", Group: "g"}, fmt.Sprintf(never, "1", "earliest"))
	w.topic("short", 1, "retention.ms=60000")
	w.commit("g2", "short", 0)
	w.sized(plain, Source{Topic: "short", Group: "g2"}, "false topic short deletes records after 1m0s, and they are due within 15m0s: what is late is lost")
}

// checkSizedRights finds that DESCRIBE is needed, and nothing more.
func checkSizedRights(t *testing.T, w *world) {
	w.topic("e17", 1)
	w.produce("e17", 0, 3)
	w.commit("ge17", "e17", 1)
	w.scramUser("sizer", kadm.ScramSha256)
	by := w.protected(Scram256, "sizer", kafkatest.Password)
	source := Source{Topic: "e17", Group: "ge17"}
	w.sized(by, source, "true ask for topic e17: not allowed; the user needs DESCRIBE on the topic")
	w.allow("sizer", kadm.NewACLs().Topics("e17").Operations(kadm.OpDescribe, kadm.OpDescribeConfigs))
	w.sized(by, source, "true ask for the commits of group ge17: not allowed; the user needs DESCRIBE on the group")
	w.allow("sizer", kadm.NewACLs().Groups("ge17").Operations(kadm.OpDescribe))
	w.sized(by, source, "false look at records of topic e17: not allowed; the user needs READ on the topic, or markers count as records and the oldest is not known")
	w.allow("sizer", kadm.NewACLs().Topics("e17").Operations(kadm.OpRead))
	w.sized(by, source)
}
