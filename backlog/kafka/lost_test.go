package kafka

import (
	"strings"
	"testing"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
)

// K13 and K14: one of two brokers is killed, then replaced by one at another address.
func TestRealBrokerK13LostAndReplaced(t *testing.T) {
	cluster := kafkatest.Start(t, 2, nil)
	w := newWorld(t, cluster.Addresses()...)
	w.topic("k13", 2)
	w.produce("k13", 0, 3)
	w.produce("k13", 1, 3)
	w.commit("g13", "k13", 3, 3)
	r := w.reader(Source{Topic: "k13", Group: "g13"})
	pending(t, w.right(r), 0, false, 0)
	w.produce("k13", 0, 1)
	w.produce("k13", 1, 1)
	pending(t, w.right(r), 2, false, 2)
	cluster.Brokers[1].Kill()
	b := w.until(r, "without a leader", func(b orchestrator.Backlog) bool {
		if b.Err == "" {
			t.Errorf("a number while a broker is lost: %+v", b)
		}
		unknown(t, b)
		return strings.Contains(b.Err, "of topic k13 (of 2) has no leader")
	})
	t.Log(b.Err)
	cluster.Brokers[1].Replace(t, nil)
	pending(t, w.until(r, "back", func(b orchestrator.Backlog) bool { return b.Err == "" }), 2, false, 2)
}
