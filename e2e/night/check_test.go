package night

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// jobs are all of a queue.
func (n *night) jobs(queue string) []api.Job {
	n.Helper()
	answer, err := request[api.ListResponse](n.in, "jobs.list", api.ListRequest{Queue: queue, Limit: 500})
	if err != nil {
		n.Fatalf("list the jobs of %s: %v", queue, err)
	}
	return answer.Jobs
}

// check sees that every row of a queue stands once in the results, and that its jobs ended in time. It says when the last one did.
func (n *night) check(ctx context.Context, queue, kind string, rows int) (done time.Duration) {
	n.Helper()
	seen, done := make([]int, rows), n.from
	for _, job := range n.jobs(queue) {
		if job.State != orchestrator.JobSucceeded {
			n.Errorf("job %s is %s (%+v)", job.ID, job.State, job.Failure)
			continue
		}
		done = max(done, n.of(job.Times[job.State]))
		n.gather(ctx, job.ID, kind, seen)
	}
	lost, double := 0, 0
	for _, times := range seen {
		if times == 0 {
			lost++
		}
		if times > 1 {
			double++
		}
	}
	if lost+double > 0 {
		n.Errorf("of %d rows of %s %d are lost and %d double", rows, queue, lost, double)
	}
	if done > n.morning {
		n.Errorf("%s was done at %s, want by %s", queue, shown(done), shown(n.morning))
	}
	return done
}

// gather counts the rows of a job's results.
func (n *night) gather(ctx context.Context, job, kind string, seen []int) {
	n.Helper()
	path := filepath.Join(n.in.dir, "results-"+job+".jsonl")
	if _, err := n.in.nightshift(ctx, "results", job, "-o", path); err != nil {
		n.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		n.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var result struct {
			ID     string
			Double int
		}
		var number int
		err := json.Unmarshal(lines.Bytes(), &result)
		if err == nil {
			_, err = fmt.Sscanf(result.ID, kind+"%d", &number)
		}
		if err != nil || number >= len(seen) || result.Double != 2*number {
			n.Fatalf("%s: %s (%v)", path, lines.Text(), err)
		}
		seen[number]++
	}
	if err := lines.Err(); err != nil {
		n.Fatal(err)
	}
}

func total(rows []int) (sum int) {
	for _, count := range rows {
		sum += count
	}
	return sum
}
