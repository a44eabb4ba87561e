package night

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// arrivals are rows in each minute of the night, from the beginning of the scenario until the streams close.
func (s scenario) arrivals(most float64, stream uint64) []int {
	random := rand.New(rand.NewPCG(s.seed, stream))
	list := make([]int, int((s.closing-s.from)/time.Minute))
	for minute := range list {
		at := s.from + time.Duration(minute)*time.Minute
		list[minute] = int(math.Round(most * s.busy(at) * math.Exp(.25*random.NormFloat64())))
	}
	return list
}

// row is one row; its name says whose it is.
func row(kind string, number int) string {
	return fmt.Sprintf(`{"id":"%s%07d","n":%d}`, kind, number, number)
}

// slices of a minute in which its rows arrive.
const parts = 4

// feed lets rows arrive minute by minute.
func (n *night) feed(ctx context.Context, rows []int, send func(ctx context.Context, from, to int) error) error {
	next := 0
	for minute, count := range rows {
		for part := range parts {
			at := n.from + time.Duration(minute)*time.Minute + time.Duration(part)*time.Minute/parts
			if err := pause(ctx, time.Until(n.at(at))); err != nil {
				return err
			}
			to := next + count*(part+1)/parts - count*part/parts
			if err := send(ctx, next, to); err != nil {
				return err
			}
			next = to
		}
	}
	return nil
}

// pay publishes payments, again and again while the server is away: a message that was stored before is one all the same.
func (n *night) pay(ctx context.Context, from, to int) error {
	sending, ctx := errgroup.WithContext(ctx)
	sending.SetLimit(16)
	for number := from; number < to; number++ {
		sending.Go(func() error {
			message := &nats.Msg{Subject: "payments.all", Data: []byte(row("p", number)), Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint(number)}}}
			for {
				if _, err := n.in.js.PublishMsg(ctx, message); err == nil {
					return nil
				}
				if err := pause(ctx, 200*time.Millisecond); err != nil {
					return err
				}
			}
		})
	}
	return sending.Wait()
}

// click produces clicks; the client repeats what a broker that is away did not take.
func (n *night) click(ctx context.Context, from, to int) error {
	for number := from; number < to; number++ {
		n.in.client.Produce(ctx, &kgo.Record{Topic: "clicks", Value: []byte(row("c", number))}, func(_ *kgo.Record, err error) {
			if err != nil {
				n.fail(fmt.Errorf("produce a click: %w", err))
			}
		})
	}
	return nil
}
