package planner

import (
	"fmt"
	"math"

	"nightshift.dev/nightshift/orchestrator/shard"
)

// The shards that are kept published ahead of the workers, so that those do not wait while the orchestrator is away.
const (
	aheadSeconds   = 3600
	aheadPerWorker = 2 // besides
	aheadUnknown   = 4 // per worker, where no speed is known: a cut is final, and the first commits will tell how long shards should be
	leastAhead     = 16
)

// shardSizes says how the rest of each open job is cut, and how far ahead.
func shardSizes(w *world) {
	backlogSizes(w)
	for _, j := range w.jobs {
		count := 0
		if p := j.pool(); p != nil {
			count, _ = p.working()
		}
		sizing := j.sizing(j.uncut(), count)
		j.plan.ShardRows, j.plan.Sharing = shard.Rows(sizing), max(count, 1)
		if !j.open {
			continue
		}
		j.plan.Ahead = j.ahead(count, j.plan.ShardRows)
		if j.view.CutAll {
			j.workers.note("cut", fmt.Sprintf("everything is cut; up to %d shards are kept ahead", j.plan.Ahead))
			continue
		}
		rows, why := shard.Size(sizing)
		j.workers.note("cut", fmt.Sprintf("the next shards have %d rows: %s; %d are kept ahead", rows, why, j.plan.Ahead))
	}
}

// backlogSizes says the same of the standing jobs of backlogs, where those are cut at all: nobody cuts what an external consumer takes.
func backlogSizes(w *world) {
	for _, q := range w.queues {
		if q.backlog == nil || q.backlog.view.BatchRows <= 0 || q.serving.to == 0 {
			continue
		}
		b, rows := q.backlog, int64(0)
		for _, one := range b.view.Waiting {
			rows = min(rows+one.Rows, mostRows)
		}
		sizing := shard.Work{BatchRows: b.view.BatchRows, RowsPerSecond: b.speed.rows, RowsUncut: rows, Workers: q.serving.to, Notice: q.pool.policy.Notice}
		if q.spot != nil {
			sizing.Kept = q.spot.kept()
		}
		each, why := shard.Size(sizing)
		q.shardRows, q.ahead = each, aheadOf(q.serving.to, each, b.speed, 0)
		q.serving.note("cut", fmt.Sprintf("the next shards have %d rows: %s; %d are kept ahead", each, why, q.ahead))
	}
}

// ahead is how many shards so many workers finish within the next hour, counted from the job's turn, and two for each of them.
func (j *job) ahead(count int, rows int64) int {
	if j.begins < 0 {
		return aheadOf(count, rows, speed{}, 0)
	}
	return aheadOf(count, rows, j.speed, j.begins)
}

func aheadOf(count int, rows int64, by speed, begins float64) int {
	if !by.known() {
		return min(max(aheadUnknown*count, aheadUnknown), shard.MostAhead)
	}
	each := float64(rows) / by.rows
	ahead := float64(count) * (math.Max(aheadSeconds-begins, 0)/each + aheadPerWorker)
	return int(math.Min(math.Max(math.Ceil(ahead), leastAhead), shard.MostAhead))
}
