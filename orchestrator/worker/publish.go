package worker

import (
	"fmt"

	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
)

// CodeNotPublished is the code of a row whose result the broker does not take.
const CodeNotPublished = "result_not_published"

// gatheredBytes is how much of a shard's results waits for the shard's end. A shard that has more begins to publish before: what it has published when it dies
// comes again with the same identities.
const gatheredBytes = 8 << 20

// unpublished are results of a shard that wait to be published.
type unpublished struct {
	lines *format.ResultLines
	rows  []orchestrator.Published
	keys  [][]byte // of the rows, as they stand in an error line
	bytes int
}

// publishes says that the shard's results go to a subject or topic.
func (a *attempt) publishes() bool { return a.job.Standing != nil && a.job.Standing.Results.Given() }

// gather keeps a result until the shard is scored, so that an attempt that ends before that has published nothing.
func (o *output) gather(row *format.Row, line []byte) error {
	r := &o.results
	if r.lines == nil {
		r.lines = format.NewResultLines(o.job.Spec.Key)
	}
	kept := append([]byte(nil), r.lines.Line(row.Key, o.shard.Object.URI, row.Offset, line)...)
	key := append([]byte(nil), row.Key...)
	r.rows = append(r.rows, orchestrator.Published{
		Shard: fmt.Sprintf("%s/%d", o.shard.JobKey.ID, o.shard.Number), Row: row.Offset, Attempt: o.id, Source: o.shard.Object.URI,
		Key: gjson.ParseBytes(key).String(), Line: kept,
	})
	r.keys, r.bytes = append(r.keys, key), r.bytes+len(kept)
	if r.bytes < gatheredBytes {
		return nil
	}
	return o.publish()
}

// publish stores what was gathered with the broker, before the shard is committed (G11). What the broker does not take becomes an error line.
func (o *output) publish() error {
	r := &o.results
	if len(r.rows) == 0 {
		return nil
	}
	if err := o.config.Messages.Publish(o.ctx, o.job.Standing.Source, o.job.Standing.Results, r.rows); err != nil {
		return err
	}
	for i, one := range r.rows {
		if one.Refused == "" {
			o.ok++
			continue
		}
		row := format.Row{Offset: one.Row}
		if len(r.keys[i]) > 0 {
			row.Key = r.keys[i]
		}
		if err := o.problem(&row, CodeNotPublished, one.Refused); err != nil {
			return err
		}
	}
	r.rows, r.keys, r.bytes = nil, nil, 0
	return nil
}
