package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
)

// TestRealBroker reads what a real Apache Kafka broker says.
func TestRealBroker(t *testing.T) {
	cluster := kafkatest.Start(t, 1, nil)
	for _, c := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"K1_committed_offsets_to_the_end", committedToTheEnd},
		{"K2_open_transaction", openTransaction},
		{"K3_aborted_transactions_are_no_lag", abortedTransactions},
		{"K4_marker_that_leaves_a_lag_of_one", lastMarker},
		{"K5_compacted_topic", compactedTopic},
		{"K6_deleted_before_done", deletedBeforeDone},
		{"K7_K8_never_committed", neverCommitted},
		{"K9_commits_that_are_no_more", commitsNoMore},
		{"K10_partitions_added", partitionsAdded},
		{"K11_topic_made_again", topicMadeAgain},
		{"K12_commit_after_the_end", commitAfterTheEnd},
		{"K15_unknown_topic", unknownTopic},
		{"K16_rights", rights},
		{"K17_sasl_and_tls", loggedIn},
		{"K18_share_group", shareGroup},
		{"K19_members_of_others", membersOfOthers},
		{"K23_large_batches", largeBatches},
		{"K25_ranges_tile_a_partition", rangesTile},
		{"K26_a_range_ends_by_position", rangeEndsByPosition},
		{"K27_deleted_records_and_topics", deletedRangeIsLost},
		{"K28_the_group_follows", groupFollows},
		{"K29_a_broker_that_does_not_answer", deadBroker},
		{"results_are_published", resultsArePublished},
		{"K30_check_of_rights", checkRights},
		{"K31_check_of_settings", checkSettings},
		{"K32_check_of_members", checkMembers},
		{"K33_check_of_a_broker_that_is_gone", checkUnreachable},
		{"K36_first_record_rings", firstRecordRings},
		{"K38_open_transaction_rings", openTransactionRings},
		{"K42_killed_broker_rings", killedBrokerRings},
		{"K34_records_without_a_value", tombstones},
		{"E17_check_of_rights_to_size_a_pool", checkSizedRights},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, cluster.Addresses()...)
			w.cluster = cluster
			c.test(t, w)
		})
	}
}

func committedToTheEnd(t *testing.T, w *world) {
	w.topic("k1", 3)
	w.produce("k1", 0, 10)
	w.produce("k1", 2, 7)
	w.commit("g1", "k1", 4, 0, 2)
	b := w.right(w.reader(Source{Topic: "k1", Group: "g1"}))
	pending(t, b, 11, false, 2)
	if b.Arrived != 17 || b.Settled != 6 || b.Source != "kafka k1/g1" || len(b.Notes) > 0 || len(b.Parts) != 3 {
		t.Errorf("got %+v", b)
	}
	if want := born.Add(2e9); !b.Oldest.Equal(want) || !b.Parts[2].Oldest.Equal(want) || !b.Parts[0].Oldest.Equal(born.Add(4e9)) || !b.Parts[1].Oldest.IsZero() {
		t.Errorf("oldest %s, want %s: %+v", b.Oldest, want, b.Parts)
	}
	if p := b.Parts[2]; p.Start != 0 || p.Settled != 2 || p.End != 7 || p.URI != URI("k1", 2) || len(b.Identity) != 32 {
		t.Errorf("got part %+v", p)
	}
}

func openTransaction(t *testing.T, w *world) {
	w.topic("k2", 1)
	w.produce("k2", 0, 44)
	w.commit("g2", "k2", 40)
	end := w.transaction("tx2", "k2", 0, 1)
	committed := w.reader(Source{Topic: "k2", Group: "g2"})
	all := w.reader(Source{Topic: "k2", Group: "g2", Isolation: ReadUncommitted})
	b := w.right(committed)
	pending(t, b, 4, true, 1)
	noted(t, b, "an open transaction holds back offsets 44 to 44 of partition 0")
	pending(t, w.right(all), 5, true, 1)
	w.commit("g2", "k2", 44)
	pending(t, w.right(committed), 0, false, 0)
	w.commit("g2", "k2", 45) // by somebody who reads what is not committed
	pending(t, w.right(committed), 0, false, 0)
	w.commit("g2", "k2", 44)
	end(true)
	w.until(committed, "one row and a marker", func(b orchestrator.Backlog) bool { return b.Pending == 2 && b.UpperBound && b.Err == "" })
}

func abortedTransactions(t *testing.T, w *world) {
	w.topic("k3", 1)
	w.produce("k3", 0, 5)
	w.commit("g3", "k3", 5)
	w.transaction("tx3", "k3", 0, 10)(false)
	w.transaction("tx3b", "k3", 0, 10)(false)
	r := w.reader(Source{Topic: "k3", Group: "g3"})
	b := w.until(r, "nothing to do", func(b orchestrator.Backlog) bool {
		return b.Err == "" && b.Pending == 0 && len(b.Parts) == 1 && b.Parts[0].End == 27
	})
	pending(t, b, 0, false, 0)
	noted(t, b, "offsets 5 to 26 of partition 0 hold no record")
	pending(t, w.right(w.reader(Source{Topic: "k3", Group: "g3", Isolation: ReadUncommitted})), 22, true, 1)
	w.produce("k3", 0, 3)
	b = w.right(r)
	pending(t, b, 3, true, 1)
	if !b.Oldest.Equal(born) {
		t.Errorf("oldest %s, want that of the first record after what was aborted", b.Oldest)
	}
}

func lastMarker(t *testing.T, w *world) {
	w.topic("k4", 1)
	w.transaction("tx4", "k4", 0, 3)(true)
	w.commit("g4", "k4", 3) // as a consumer does that has read all three
	for _, isolation := range []string{ReadCommitted, ReadUncommitted} {
		r := w.reader(Source{Topic: "k4", Group: "g4", Isolation: isolation})
		b := w.until(r, "nothing to do", func(b orchestrator.Backlog) bool {
			return b.Err == "" && b.Pending == 0 && len(b.Parts) == 1 && b.Parts[0].End == 4
		})
		noted(t, b, "offsets 3 to 3 of partition 0 hold no record")
	}
}

func compactedTopic(t *testing.T, w *world) {
	w.topic("k5", 1, "cleanup.policy=compact", "segment.ms=200", "min.cleanable.dirty.ratio=0.001", "max.compaction.lag.ms=500")
	w.produce("k5", 0, 1000) // of ten keys
	w.commit("g5", "k5", 0)
	r := w.reader(Source{Topic: "k5", Group: "g5"})
	b := w.until(r, "compacted at its beginning", func(b orchestrator.Backlog) bool {
		w.produce("k5", 0, 1) // rolls the segment
		return b.Err == "" && b.Oldest.After(born.Add(2e9))
	})
	if b.Settled == 0 || b.Pending != b.Parts[0].End-b.Settled || !b.UpperBound {
		t.Errorf("what is compacted away before the first record still counts: %+v", b)
	}
	r.Consumed("q", 10, 500)
	if b = w.right(r); b.Pending != b.Parts[0].End-b.Settled || !b.UpperBound {
		t.Errorf("500 offsets were enough to believe a ratio: %+v", b)
	}
	r.Consumed("q", 10, 500)
	b = w.right(r)
	pending(t, b, max(1, int64(float64(b.Parts[0].End-b.Settled)*.02+.5)), false, 1)
	noted(t, b, "20 of the last 1000 held a row")
}

func deletedBeforeDone(t *testing.T, w *world) {
	w.topic("k6", 1)
	w.produce("k6", 0, 50)
	w.commit("g6", "k6", 7)
	r := w.reader(Source{Topic: "k6", Group: "g6"})
	pending(t, w.right(r), 43, false, 1)
	remove := func(before int64) {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: "k6", Partition: 0, At: before})
		_, err := w.admin.DeleteRecords(t.Context(), offsets)
		must(t, err)
	}
	remove(5)
	b := w.right(r)
	pending(t, b, 43, false, 1)
	if len(b.Notes) > 0 || b.Parts[0].Start != 5 {
		t.Errorf("nothing is lost below the commit: %+v", b)
	}
	remove(19)
	b = w.right(r)
	pending(t, b, 31, false, 1)
	noted(t, b, "offsets 7 to 18 of partition 0 are lost")
	if b.Settled != 19 || b.Parts[0].Settled != 19 {
		t.Errorf("what is lost is settled: %+v", b)
	}
	w.topic("k6b", 1, "retention.ms=1000", "segment.ms=500")
	w.produce("k6b", 0, 5) // long ago
	w.commit("g6", "k6b", 2)
	b = w.until(w.reader(Source{Topic: "k6b", Group: "g6"}), "deleted by retention", func(b orchestrator.Backlog) bool { return len(b.Parts) == 1 && b.Parts[0].Start == 5 })
	pending(t, b, 0, false, 0)
	noted(t, b, "offsets 2 to 4 of partition 0 are lost")
}

func neverCommitted(t *testing.T, w *world) {
	w.topic("k7", 2)
	w.produce("k7", 0, 6)
	w.produce("k7", 1, 4)
	b := w.right(w.reader(Source{Topic: "k7", Group: "new"}))
	pending(t, b, 10, false, 2)
	latest := w.reader(Source{Topic: "k7", Group: "new", Start: Latest})
	b = w.right(latest)
	pending(t, b, 0, false, 0)
	noted(t, b, "nothing is committed on partition 0: counted from offset 6")
	w.produce("k7", 0, 3)
	pending(t, w.right(latest), 3, false, 1)
	w.commit("new", "k7", 6)
	b = w.right(latest)
	pending(t, b, 3, false, 1)
	pending(t, w.right(w.reader(Source{Topic: "k7", Group: "new"})), 7, false, 2) // nothing on the other partition
}

func commitsNoMore(t *testing.T, w *world) {
	w.topic("k9", 2)
	w.produce("k9", 0, 6)
	w.commit("g9", "k9", 6, 0)
	r := w.reader(Source{Topic: "k9", Group: "g9"})
	pending(t, w.right(r), 0, false, 0)
	var one kadm.TopicsSet
	one.Add("k9", 1)
	_, err := w.admin.DeleteOffsets(t.Context(), "g9", one)
	must(t, err)
	w.held(r, "offset 0 was committed on partition 1 of topic k9", "expired")
	_, err = w.admin.DeleteGroup(t.Context(), "g9")
	must(t, err)
	w.held(r, "offset 6 was committed on partition 0 of topic k9")
	w.held(r, "nobody knows what is done")
	w.held(w.reader(Source{Topic: "k9", Group: "g9", Committed: true}), "the group had commits on topic k9, and has none now")
	w.commit("g9", "k9", 2, 0)
	b := w.right(r)
	pending(t, b, 4, false, 1)
	noted(t, b, "the commit on partition 0 went back from 6 to 2")
}

func partitionsAdded(t *testing.T, w *world) {
	w.topic("k10", 1)
	w.produce("k10", 0, 5)
	w.commit("g10", "k10", 5)
	r := w.reader(Source{Topic: "k10", Group: "g10"})
	latest := w.reader(Source{Topic: "k10", Group: "g10", Start: Latest})
	pending(t, w.right(r), 0, false, 0)
	pending(t, w.right(latest), 0, false, 0)
	_, err := w.admin.UpdatePartitions(t.Context(), 3, "k10")
	must(t, err)
	must(t, eventuallyNil(t, func() error {
		w.client.ForceMetadataRefresh()
		_, err := w.admin.ListEndOffsets(t.Context(), "k10")
		return err
	}))
	late := newWorld(t, w.brokers...)
	late.produce("k10", 2, 4)
	pending(t, w.until(r, "three partitions", func(b orchestrator.Backlog) bool { return len(b.Parts) == 3 }), 4, false, 1)
	pending(t, w.until(latest, "three partitions", func(b orchestrator.Backlog) bool { return len(b.Parts) == 3 }), 4, false, 1)
}

func topicMadeAgain(t *testing.T, w *world) {
	w.topic("k11", 1)
	w.produce("k11", 0, 20)
	w.commit("g11", "k11", 20)
	r := w.reader(Source{Topic: "k11", Group: "g11"})
	pending(t, w.right(r), 0, false, 0)
	_, err := w.admin.DeleteTopic(t.Context(), "k11")
	must(t, err)
	w.until(r, "topic missing", func(b orchestrator.Backlog) bool { return b.Err == "topic k11 does not exist" })
	w.topic("k11", 1)
	again := newWorld(t, w.brokers...)
	again.produce("k11", 0, 3)
	b := w.until(r, "read", func(b orchestrator.Backlog) bool { return b.Err == "" && b.Pending == 3 })
	noted(t, b, "topic k11 was deleted and made again")
	w.commit("g11", "k11", 1)
	b = w.right(r)
	pending(t, b, 2, false, 1)
	if len(b.Notes) > 0 {
		t.Errorf("a commit on the new topic is a new beginning: %q", b.Notes)
	}
}

func commitAfterTheEnd(t *testing.T, w *world) {
	w.topic("k12", 1)
	w.produce("k12", 0, 5)
	w.commit("g12", "k12", 500)
	w.held(w.reader(Source{Topic: "k12", Group: "g12"}), "offset 500 is committed on partition 0 of topic k12, which ends at 5")
}

func unknownTopic(t *testing.T, w *world) {
	w.topic("k15", 1)
	w.produce("k15", 0, 2)
	r := w.reader(Source{Topic: "none", Group: "g15"}, Source{Topic: "k15", Group: "g15"})
	must(t, eventuallyNil(t, func() error {
		w.held(r, "topic none does not exist")
		return nil
	}))
	pending(t, r.Read(t.Context(), now)[1], 2, false, 1)
}
