package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
)

// drainReport is what bench drain prints.
type drainReport struct {
	Rows    int64 `json:"rows"`
	Bytes   int   `json:"row_bytes"` // about
	Scorers int   `json:"scorers"`
	Rounds  int   `json:"rounds"`
	// Rows a second, one entry for each round: a loop of one client that reads and acknowledges, and from the first message that the consumer shows to nothing
	// pending there.
	Loop  []float64 `json:"bare_loop_rows_per_second"`
	Drain []float64 `json:"drain_rows_per_second"`
	Ratio float64   `json:"ratio"` // median of the rounds'
}

func (r *drainReport) print(out screen) error {
	rows := [][]cell{cells("ROUND", "BARE LOOP", "DRAINED", "RATIO")}
	for i := range r.Loop {
		rows = append(rows, cells(fmt.Sprint(i+1), number(int64(r.Loop[i]))+" rows/s", number(int64(r.Drain[i]))+" rows/s", fmt.Sprintf("%.2f", r.Drain[i]/r.Loop[i])))
	}
	return out.table(append(rows, cells("median", "", "", fmt.Sprintf("%.2f", r.Ratio))))
}

// drainModel and drainQueue are added to the documents of the run.
const drainModel = `---
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: copy}
spec: {scorer: {command: [%q, bench, copy]}, batchRows: %d}
`

const drainQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drain}
spec: {source: nats, nats: {stream: ROWS, consumer: scoring}, model: %s, pools: [local], output: {root: out}, drain: {key: id, rollEvery: 1h}, objective: {finishWithin: 1s}}
`

func (p *program) benchDrainCommand() *cobra.Command {
	run := dataplane{batchRows: 4096, queued: 1, rowBytes: shortRow}
	var brokers []string
	var format *printFormat
	command := &cobra.Command{
		Use:   "drain",
		Short: "Measure how fast a stream or topic is drained, against a bare consumer loop",
		Long: `Drain publishes rows to a stream of a nightshift dev of its own, reads and acknowledges them with one client in a bare loop, and then lets a queue drain
the same stream with scorers that copy their batches, or, with --python, with a Python class that returns its batch as it is. Workers are warm: they have scored some rows before.
With --brokers it does so with a Kafka topic of four partitions, which it makes and removes; there the rows are drained first and then read in the bare loop, by a group
that sees what is committed, as the queue's does, and commits its offsets after every poll.`,
		Example: "  nightshift bench drain\n  nightshift bench drain --brokers 127.0.0.1:9092",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.drain(command.Context(), brokers) })
		},
	}
	flags := command.Flags()
	flags.StringSliceVar(&brokers, "brokers", nil, "measure with Kafka: host:port of some of its brokers")
	flags.Int64Var(&run.rows, "rows", 1_000_000, "how many rows")
	flags.IntVar(&run.rowBytes, "row-bytes", shortRow, "about how long a row is, 100 bytes or more")
	flags.IntVar(&run.scorers, "scorers", 2, "scorer processes")
	flags.IntVar(&run.rounds, "rounds", 3, "how often both are measured")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of the rows")
	flags.StringVar(&run.python, "python", "", "Python of scorers that decode and encode every row, 3.11 or newer; faster with numpy and orjson (default: scorers that copy)")
	flags.StringVar(&run.dir, "dir", "", "folder for the run, removed at its end (default: a temporary one)")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// drain prepares a folder, measures, and removes it with every process that is left.
func (d *dataplane) drain(ctx context.Context, brokers []string) (*drainReport, error) {
	if err := d.prepare(); err != nil {
		return nil, err
	}
	defer func() {
		endProcesses(d.dir)
		_ = os.RemoveAll(d.dir) // made by prepare
	}()
	if _, err := writeRows(d.input, d.rows, d.seed, d.rowBytes); err != nil {
		return nil, err
	}
	model := "identity"
	if d.python == "" {
		model = "copy"
	}
	queue, topic := fmt.Sprintf(drainQueue, model), (*topicBench)(nil)
	if len(brokers) > 0 {
		var err error
		if topic, err = newTopicBench(ctx, brokers); err != nil {
			return nil, err
		}
		defer topic.close()
		list, err := json.Marshal(brokers)
		if err != nil {
			return nil, err
		}
		queue = fmt.Sprintf(drainTopicQueue, list, topic.topic, topic.topic, model)
	}
	documents, err := os.ReadFile(d.documents)
	if err != nil {
		return nil, fmt.Errorf("read the documents of the run: %w", err)
	}
	if err := os.WriteFile(d.documents, append(documents, fmt.Sprintf(drainModel, d.program, d.batchRows)+queue...), 0o600); err != nil {
		return nil, fmt.Errorf("write the documents of the run: %w", err)
	}
	service, err := d.startDev(ctx)
	if err != nil {
		return nil, err
	}
	defer service.stop()
	ctx, cancel := context.WithTimeout(ctx, jobWithin)
	defer cancel()
	report := &drainReport{Rows: d.rows, Bytes: d.rowBytes, Scorers: d.scorers, Rounds: d.rounds}
	if topic != nil {
		err = topic.rounds(ctx, d, report)
	} else {
		err = d.drainRounds(ctx, service.client.conn, report)
	}
	if err != nil {
		return nil, err
	}
	ratios := make([]float64, d.rounds)
	for i := range ratios {
		ratios[i] = report.Drain[i] / report.Loop[i]
	}
	slices.Sort(ratios)
	report.Ratio = math.Round(100*ratios[len(ratios)/2]) / 100
	return report, nil
}

// drainRounds publishes, loops and drains, again and again. The first rows warm the workers.
func (d *dataplane) drainRounds(ctx context.Context, conn *nats.Conn, report *drainReport) error {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ROWS", Subjects: []string{"rows"}, Storage: jetstream.FileStorage, MaxBytes: int64(512+d.rowBytes) * (d.rows*int64(d.rounds) + 20_000), PersistMode: jetstream.AsyncPersistMode})
	if err != nil {
		return fmt.Errorf("create a stream: %w", err)
	}
	if err := d.publishRows(ctx, js, min(d.rows, 20_000)); err != nil {
		return err
	}
	if _, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		return fmt.Errorf("create a consumer: %w", err)
	}
	if err := allSettled(ctx, stream); err != nil {
		return err
	}
	for round := range d.rounds {
		d.say("round %d of %d: publishing", round+1, d.rounds)
		if err := stream.DeleteConsumer(ctx, "scoring"); err != nil {
			return fmt.Errorf("delete the consumer: %w", err)
		}
		info, err := stream.Info(ctx)
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		from := info.State.LastSeq + 1
		if err := d.publishRows(ctx, js, d.rows); err != nil {
			return err
		}
		d.say("reading them in a bare loop")
		seconds, err := d.bareLoop(ctx, stream, from)
		if err != nil {
			return err
		}
		report.Loop = append(report.Loop, math.Round(float64(d.rows)/seconds))
		d.say("draining them")
		began := time.Now()
		_, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		})
		if err != nil {
			return fmt.Errorf("create a consumer: %w", err)
		}
		if err := allSettled(ctx, stream); err != nil {
			return err
		}
		report.Drain = append(report.Drain, math.Round(float64(d.rows)/time.Since(began).Seconds()))
	}
	return nil
}

// publishRows publishes the first rows of the input, one a message.
func (d *dataplane) publishRows(ctx context.Context, js jetstream.JetStream, rows int64) error {
	file, err := os.Open(d.input)
	if err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	lines := bufio.NewScanner(file)
	for count := int64(0); count < rows && lines.Scan(); count++ {
		if _, err := js.PublishAsync("rows", slices.Clone(lines.Bytes()), jetstream.WithStallWait(rawStall)); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	return lines.Err()
}

// bareLoop reads and acknowledges what was published, 1,000 messages at a time.
func (d *dataplane) bareLoop(ctx context.Context, stream jetstream.Stream, from uint64) (seconds float64, err error) {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return 0, fmt.Errorf("create a consumer: %w", err)
	}
	defer func() { err = errors.Join(err, stream.DeleteConsumer(ctx, "bare")) }()
	began := time.Now()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return 0, fmt.Errorf("read the stream: %w", err)
	}
	defer messages.Stop()
	for range d.rows {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return 0, fmt.Errorf("read the stream: %w", err)
		}
		if err := message.Ack(); err != nil {
			return 0, fmt.Errorf("acknowledge: %w", err)
		}
	}
	for ctx.Err() == nil {
		if info, err := consumer.Info(ctx); err == nil && info.NumAckPending == 0 {
			break
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return time.Since(began).Seconds(), ctx.Err()
}

// allSettled waits until the consumer shows nothing pending.
func allSettled(ctx context.Context, stream jetstream.Stream) error {
	for {
		consumer, err := stream.Consumer(ctx, "scoring")
		if err != nil {
			return fmt.Errorf("read the consumer: %w", err)
		}
		if consumer.CachedInfo().NumPending == 0 {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
