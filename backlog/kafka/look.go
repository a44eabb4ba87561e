package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A look is the search for the first record that is not done: from what is settled on, past markers, what was aborted and what was compacted
// away. It tells how old the backlog is, and that a lag without any record is none. It goes on where the last round has left it.
type look struct {
	at    int64     // everything before holds no record
	found bool      // there is one at at
	time  time.Time // of it
	empty int       // times that the broker had nothing to give
	mixed bool      // it belongs to a transaction
	err   string
}

type lookKey struct {
	at        spot
	id        topicID
	isolation int8
	settled   int64
}

// Bounds of what a round looks at.
const (
	mostLooks  = 256      // partitions
	mostAlone  = 16       // of them, those whose first batch is so large that it has to be asked for alone
	lookBytes  = 20 << 10 // of a partition: a batch as producers make it by default
	mostEmpty  = 2        // before a partition without an answer is believed to hold nothing
	lookWaitMs = 100
)

// wanted is a look that is not done.
type wanted struct {
	key    lookKey
	leader int32
	end    int64
	look   look
	short  bool // nothing came, perhaps for want of room: it was not the first of its request
}

func keyOf(s Source, id topicID, p part) lookKey {
	isolation := int8(0)
	if s.committedOnly() {
		isolation = 1
	}
	return lookKey{spot{s.Topic, p.partition}, id, isolation, p.settled}
}

func (r *Reader) look(ctx context.Context, a answers, found []finding) {
	byLeader := map[int32][]*wanted{}
	for _, w := range r.wanted(a, found) {
		byLeader[w.leader] = append(byLeader[w.leader], w)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var wait sync.WaitGroup
	for _, all := range byLeader {
		wait.Go(func() { r.lookAt(ctx, all) })
	}
	wait.Wait()
	for _, all := range byLeader {
		for _, w := range all {
			r.looks[w.key] = w.look
			if w.look.at > w.key.settled || w.look.mixed {
				r.gapsIn(w.key.at.topic)
			}
		}
	}
}

// wanted gives the looks to take in this round, and forgets those of positions that have moved on.
func (r *Reader) wanted(a answers, found []finding) []*wanted {
	kept := map[lookKey]look{}
	var all []*wanted
	first, next := r.next, -1
	for i := range r.sources {
		n := (first + i) % len(r.sources)
		for _, p := range found[n].parts {
			if p.end <= p.settled {
				continue
			}
			key := keyOf(r.sources[n], found[n].id, p)
			if _, twice := kept[key]; twice {
				continue
			}
			l, known := r.looks[key]
			if !known {
				l.at = p.settled
			}
			kept[key] = l
			if l.found || l.at >= p.end {
				continue
			}
			if len(all) == mostLooks {
				if next < 0 {
					next = n
				}
				continue
			}
			all = append(all, &wanted{key: key, leader: a.topics[key.at.topic].leaders[key.at.partition], end: p.end, look: l})
		}
	}
	r.looks, r.next = kept, max(next, 0)
	return all
}

// lookAt takes the looks at one broker. A request may name a partition once.
func (r *Reader) lookAt(ctx context.Context, all []*wanted) {
	alone := 0
	for len(all) > 0 {
		var these, later []*wanted
		in := map[string]bool{}
		for _, w := range all {
			name := fmt.Sprint(w.key.at, w.key.isolation)
			if in[name] || these != nil && these[0].key.isolation != w.key.isolation {
				later = append(later, w)
				continue
			}
			in[name] = true
			these = append(these, w)
		}
		all = later
		if !r.fetch(ctx, these) {
			return
		}
		for _, w := range these[1:] { // the first was given a batch of any size
			if w.short && alone < mostAlone {
				alone++
				if !r.fetch(ctx, []*wanted{w}) {
					return
				}
			}
		}
	}
}

// fetch says whether the broker has answered.
func (r *Reader) fetch(ctx context.Context, these []*wanted) bool {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = lookWaitMs, 1, int32(len(these))*lookBytes
	request.IsolationLevel, request.SessionEpoch = these[0].key.isolation, -1
	topics := map[topicID]string{}
	asked := map[spot]*wanted{}
	for _, w := range these {
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = w.key.at.topic, w.key.id
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = w.key.at.partition, w.look.at, lookBytes
		if n := len(request.Topics); n > 0 && request.Topics[n-1].Topic == topic.Topic {
			request.Topics[n-1].Partitions = append(request.Topics[n-1].Partitions, partition)
		} else {
			topic.Partitions = append(topic.Partitions, partition)
			request.Topics = append(request.Topics, topic)
		}
		topics[w.key.id], asked[w.key.at] = w.key.at.topic, w
	}
	answer, err := r.client.Broker(int(these[0].leader)).RetriableRequest(ctx, request)
	if err != nil {
		return false
	}
	response := answer.(*kmsg.FetchResponse)
	for _, t := range response.Topics {
		name := t.Topic
		if name == "" {
			name = topics[t.TopicID]
		}
		for i := range t.Partitions {
			if w := asked[spot{name, t.Partitions[i].Partition}]; w != nil {
				w.take(&t.Partitions[i], w == these[0] && response.ThrottleMillis == 0)
			}
		}
	}
	return true
}

// take goes on to the first record, or as far as what was fetched reaches. That nothing came means something only where there was room for any batch.
func (w *wanted) take(got *kmsg.FetchResponseTopicPartition, room bool) {
	isolation := kgo.ReadUncommitted()
	if w.key.isolation == 1 {
		isolation = kgo.ReadCommitted()
	}
	options := kgo.ProcessFetchPartitionOpts{Topic: w.key.at.topic, Partition: w.key.at.partition, Offset: w.look.at, IsolationLevel: isolation}
	records, next := kgo.ProcessFetchPartition(options, got, kgo.DefaultDecompressor(), nil)
	w.look.err = ""
	switch {
	case records.Err != nil:
		if records.Err == kerr.TopicAuthorizationFailed {
			w.look.err = told(lookingAt+w.key.at.topic, records.Err)
		}
	case len(records.Records) > 0:
		first := records.Records[0]
		w.look = look{at: first.Offset, found: true, time: first.Timestamp, mixed: first.Attrs.IsTransactional()}
	case next > w.look.at:
		w.look = look{at: next}
	case !room:
		w.short = true
	case len(got.RecordBatches) == 0:
		w.look.empty++
		if w.look.empty >= mostEmpty {
			w.look.at = w.end
		}
	}
}
