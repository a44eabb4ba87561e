package kafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bounds of doorbells.
const (
	bellWait     = 2 * time.Second       // that a broker may hold a request; what is watched anew joins the next one
	bellMost     = 1000                  // partitions in a request
	bellBytes    = 1                     // of an answer: a broker gives the first batch whole
	bellRest     = 50 * time.Millisecond // between two rings of a queue, and between two requests
	bellRestMost = 2 * time.Second       // of a queue that rings again and again: it is read as often anyway
	bellQuiet    = time.Second           // behind a rest, after which the next one is short again
	bellRefused  = 30 * time.Second      // that a partition is left out whose answer was an error
)

// bell is one Fetch request to each broker, held open there at the ends that the last reading has seen. Whatever comes behind one of them answers it. A broker
// answers the requests of a connection one after another: so it has connections of its own.
type bell struct {
	client    *kgo.Client
	isolation int8
	rings     chan<- string
	life      context.Context
	ears      sync.WaitGroup

	mu      sync.Mutex
	marks   map[int32][]mark    // by leader
	fresh   map[int32]chan bool // by leader: there are new marks; one goroutine listens for each
	rests   map[string]rest     // by queue
	refused map[spot]time.Time  // not asked for again before
}

// mark is the end of a partition, and the queues whose rows come behind it.
type mark struct {
	at     spot
	id     topicID
	end    int64
	queues []string
}

// rest is how long a queue that has rung does not ring.
type rest struct {
	until time.Time
	long  time.Duration
}

// next is the rest after a ring: twice as long each time, until there was a quiet second.
func (r rest) next(now time.Time) rest {
	long := min(2*r.long, bellRestMost)
	if now.Sub(r.until) >= bellQuiet {
		long = bellRest
	}
	return rest{now.Add(long), long}
}

func newBell(life context.Context, connection Connection, isolation int8, rings chan<- string) (*bell, error) {
	client, err := kgo.NewClient(connection.options()...)
	b := &bell{client: client, isolation: isolation, rings: rings, life: life}
	b.marks, b.fresh, b.rests, b.refused = map[int32][]mark{}, map[int32]chan bool{}, map[string]rest{}, map[spot]time.Time{}
	return b, err
}

// arm sets the marks of a reading, and listens at brokers where nobody does yet.
func (b *bell) arm(marks map[int32][]mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = marks
	for leader := range marks {
		if b.fresh[leader] == nil && b.life.Err() == nil {
			fresh := make(chan bool, 1)
			b.fresh[leader] = fresh
			b.ears.Go(func() { b.listen(leader, fresh) })
		}
	}
	for _, fresh := range b.fresh {
		select {
		case fresh <- true:
		default:
		}
	}
}

// listen holds one request after another at a broker, until the bell's end.
func (b *bell) listen(leader int32, fresh <-chan bool) {
	for b.life.Err() == nil {
		marks, hold := b.awake(leader, time.Now())
		if len(marks) == 0 {
			b.await(fresh, hold)
			continue
		}
		rang, err := b.hold(leader, marks, hold)
		switch {
		case err != nil:
			_ = wait(b.life, time.Second) // the reading says what is wrong
		case len(rang) > 0:
			select {
			case <-fresh: // of a reading that has begun before
			default:
			}
			b.ring(rang, time.Now())
			b.await(fresh, bellRestMost)
		}
		_ = wait(b.life, bellRest) // or the bell's end
	}
}

// await waits for marks of the next reading.
func (b *bell) await(fresh <-chan bool, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-fresh:
	case <-timer.C:
	case <-b.life.Done():
	}
}

// awake are the marks of queues that do not rest, and how long a request for them may be held: until the first rest ends.
func (b *bell) awake(leader int32, now time.Time) (marks []mark, hold time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hold = bellWait
	for _, one := range b.marks[leader] {
		if now.Before(b.refused[one.at]) || len(marks) == bellMost {
			continue
		}
		one.queues = slices.DeleteFunc(slices.Clone(one.queues), func(queue string) bool {
			left := b.rests[queue].until.Sub(now)
			if left > 0 {
				hold = min(hold, left)
			}
			return left > 0
		})
		if len(one.queues) > 0 {
			marks = append(marks, one)
		}
	}
	return marks, max(hold, bellRest)
}

// ring names the queues of these marks.
func (b *bell) ring(marks []mark, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rang := map[string]bool{}
	for _, one := range marks {
		for _, queue := range one.queues {
			rang[queue] = true
		}
	}
	for queue := range rang {
		b.rests[queue] = b.rests[queue].next(now)
		select {
		case b.rings <- queue:
		default: // as many wait as there are queues
		}
	}
}

// hold asks for what comes behind the marks, and gives those behind which something is. The broker answers when there is, or after that time.
func (b *bell) hold(leader int32, marks []mark, most time.Duration) (rang []mark, err error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = int32(most.Milliseconds()), 1, bellBytes
	request.IsolationLevel, request.SessionEpoch = b.isolation, -1
	topics, asked := map[topicID]string{}, map[spot]mark{}
	for _, one := range marks {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = one.at.partition, one.end, bellBytes
		if n := len(request.Topics); n == 0 || request.Topics[n-1].Topic != one.at.topic {
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.TopicID = one.at.topic, one.id
			request.Topics = append(request.Topics, topic)
		}
		last := &request.Topics[len(request.Topics)-1]
		last.Partitions = append(last.Partitions, partition)
		topics[one.id], asked[one.at] = one.at.topic, one
	}
	ctx, cancel := context.WithTimeout(b.life, most+defaultTimeout)
	defer cancel()
	answer, err := b.client.Broker(int(leader)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.FetchResponse)
	for _, t := range response.Topics {
		name := cmp.Or(t.Topic, topics[t.TopicID])
		for _, p := range t.Partitions {
			one, was := asked[spot{name, p.Partition}]
			switch {
			case !was:
			case p.ErrorCode != 0:
				b.refuse(one.at, time.Now())
			case len(p.RecordBatches) > 0:
				rang = append(rang, one)
			}
		}
	}
	return rang, kerr.ErrorForCode(response.ErrorCode)
}

// refuse leaves a partition out: an error is answered at once, and the others would not be waited for.
func (b *bell) refuse(at spot, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.refused, func(_ spot, until time.Time) bool { return now.After(until) })
	b.refused[at] = now.Add(bellRefused)
}

// close ends the listening.
func (b *bell) close() {
	b.client.Close()
	b.ears.Wait()
}

// Ring names the queues to which something has come since they were read. It is never closed. Doorbells are made by the first reading after it was called.
func (r *Reader) Ring() <-chan string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = true
	return r.rings
}

func (r *Reader) makeBells(connection Connection) error {
	r.rings, r.bells = make(chan string, len(r.sources)), map[int8]*bell{}
	life, stop := context.WithCancel(context.Background())
	r.stop = stop
	for isolation := range int8(2) {
		b, err := newBell(life, connection, isolation, r.rings)
		if err != nil {
			return fmt.Errorf("connect to Kafka: %w", err)
		}
		r.bells[isolation] = b
	}
	return nil
}

// silence forgets rings: the reading that begins sees what they are for.
func (r *Reader) silence() {
	for {
		select {
		case <-r.rings:
		default:
			return
		}
	}
}

// arm sets doorbells at the ends of what was read. They begin where the reading ended: what has come since rings at once.
func (r *Reader) arm(a answers, found []finding) {
	if !r.heard {
		return
	}
	for isolation, b := range r.bells {
		b.arm(marksOf(r.sources, a, found, isolation))
	}
}

// marksOf are the ends for readers of one isolation, by leader, partitions that are empty first: there may be more than are watched.
func marksOf(sources []Source, a answers, found []finding, isolation int8) map[int32][]mark {
	marks, empty := map[spot]mark{}, map[spot]bool{}
	for i, source := range sources {
		for _, p := range found[i].parts {
			key := keyOf(source, found[i].id, p)
			if found[i].err != "" || key.isolation != isolation {
				continue
			}
			one := marks[key.at]
			marks[key.at] = mark{at: key.at, id: key.id, end: max(one.end, p.end), queues: append(one.queues, source.Queue)}
			empty[key.at] = empty[key.at] || p.settled >= p.end
		}
	}
	byLeader := map[int32][]mark{}
	for _, one := range marks {
		leader := a.topics[one.at.topic].leaders[one.at.partition]
		byLeader[leader] = append(byLeader[leader], one)
	}
	for leader, all := range byLeader {
		slices.SortFunc(all, func(x, y mark) int {
			return cmp.Or(cmp.Compare(x.at.topic, y.at.topic), cmp.Compare(x.at.partition, y.at.partition))
		})
		slices.SortStableFunc(all, func(x, y mark) int {
			switch {
			case empty[x.at] == empty[y.at]:
				return 0
			case empty[x.at]:
				return -1
			}
			return 1
		})
		byLeader[leader] = all
	}
	return byLeader
}
