package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// serviceReport is what is seen of the service and its workers.
type serviceReport struct {
	Shards                  int            `json:"shards"`                 // of a job of all rows
	ModelLoads              map[string]int `json:"model_loads"`            // by worker, over all jobs of its service
	ModelLoadsMost          int            `json:"model_loads_per_worker"` // the most of one worker
	FirstCommit             []float64      `json:"first_commit_seconds"`   // from the submit of one row on a warm worker, each time
	FirstManifest           []float64      `json:"first_manifest_seconds"` // likewise
	FirstCommitMedian       float64        `json:"first_result_seconds"`   // median of FirstCommit
	FirstManifestMedian     float64        `json:"first_job_done_seconds"` // median of FirstManifest
	Resident                int64          `json:"resident_bytes"`         // of the service's process, after two jobs of all rows
	ResidentPeak            int64          `json:"resident_peak_bytes"`    // its most until then
	MemoryRows              int64          `json:"memory_rows,omitempty"`  // of the job for --memory-rows
	ResidentAfterMemoryRows *resident      `json:"after_memory_rows,omitempty"`
}

// resident is the memory of a process: now and its most, in bytes.
type resident struct {
	Bytes int64 `json:"resident_bytes"`
	Peak  int64 `json:"resident_peak_bytes"`
}

const (
	firstResults = 10 // jobs of one row that are timed
	commitWithin = 10 * time.Second
)

// roundOfService scores the rows by a service that has to start, and once more by the same with warm workers.
func (d *dataplane) roundOfService(ctx context.Context, report *dataplaneReport, last bool) error {
	began := time.Now()
	service, err := d.startDev(ctx)
	if err != nil {
		return err
	}
	defer d.clearOutput()
	defer service.stop()
	first, err := d.scoreAll(ctx, service)
	if err != nil {
		return err
	}
	withStart := time.Since(began)
	_ = os.RemoveAll(strings.TrimPrefix(first.Output, "file://")) // room on the disk
	again := time.Now()
	second, err := d.scoreAll(ctx, service)
	if err != nil {
		return err
	}
	report.Nightshift.add(d.rows, withStart, time.Since(again))
	d.say("nightshift: %s", report.Nightshift.last())
	if !last {
		return nil
	}
	if err := d.observeService(ctx, service, second, &report.Service); err != nil {
		return err
	}
	paths, err := parts(second)
	if err == nil {
		report.Nightshift.Output, err = digestFiles(paths...)
	}
	return err
}

func (d *dataplane) scoreAll(ctx context.Context, service *benchService) (api.Job, error) {
	job, err := service.score(ctx, d.input)
	if err == nil && (job.Counts.RowsDone != d.rows || job.Counts.RowsFailed != 0) {
		err = fmt.Errorf("job %s: %d rows scored and %d failed of %d", job.ID, job.Counts.RowsDone, job.Counts.RowsFailed, d.rows)
	}
	return job, err
}

// clearOutput makes room on the disk.
func (d *dataplane) clearOutput() {
	jobs, _ := filepath.Glob(filepath.Join(d.dir, "out", "*"))
	for _, job := range jobs {
		_ = os.RemoveAll(job) // the whole folder goes at the end
	}
}

// observeService reads memory and loads, and times jobs of one row.
func (d *dataplane) observeService(ctx context.Context, service *benchService, job api.Job, into *serviceReport) error {
	memory, err := residentOf(service.child.Process.Pid)
	if err != nil {
		return err
	}
	into.Shards, into.Resident, into.ResidentPeak = job.Counts.ShardsTotal, memory.Bytes, memory.Peak
	tiny, err := d.tinyInput()
	if err != nil {
		return err
	}
	for range firstResults {
		for len(service.commits) > 0 { // those of earlier jobs
			<-service.commits
		}
		began := time.Now()
		if _, err := service.score(ctx, tiny); err != nil {
			return err
		}
		into.FirstManifest = append(into.FirstManifest, time.Since(began).Seconds())
		select {
		case at := <-service.commits:
			into.FirstCommit = append(into.FirstCommit, at.Sub(began).Seconds())
		case <-time.After(commitWithin): // it comes by another subscription than the end
			return errors.New("a job of one row ended without a commit that was seen")
		}
	}
	into.FirstCommitMedian, into.FirstManifestMedian = median(into.FirstCommit), median(into.FirstManifest)
	into.ModelLoads, err = service.loads(ctx)
	for _, loads := range into.ModelLoads {
		into.ModelLoadsMost = max(into.ModelLoadsMost, loads)
	}
	return err
}

// tinyInput is a file of one row.
func (d *dataplane) tinyInput() (string, error) {
	path := filepath.Join(d.dir, "in", "one.jsonl")
	_, err := writeRows(path, 1, d.seed, shortRow)
	return path, err
}

// measureMemory runs one job of many rows and reads the memory of the service.
func (d *dataplane) measureMemory(ctx context.Context) (*resident, error) {
	path := filepath.Join(d.dir, "in", "many.jsonl")
	defer func() { _ = os.Remove(path) }() // made here
	if _, err := writeRows(path, d.memoryRows, d.seed, shortRow); err != nil {
		return nil, err
	}
	service, err := d.startDev(ctx)
	if err != nil {
		return nil, err
	}
	defer d.clearOutput()
	defer service.stop()
	if _, err := service.score(ctx, path); err != nil {
		return nil, err
	}
	return residentOf(service.child.Process.Pid)
}

// residentOf reads VmRSS and VmHWM (proc(5)).
func residentOf(pid int) (*resident, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, fmt.Errorf("read the memory of the service: %w", err)
	}
	var found resident
	for name, into := range map[string]*int64{"VmRSS:": &found.Bytes, "VmHWM:": &found.Peak} {
		_, rest, _ := strings.Cut(string(data), name)
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return nil, fmt.Errorf("read the memory of the service: no %s in /proc/%d/status", name, pid)
		}
		kibibytes, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the memory of the service: %w", err)
		}
		*into = kibibytes << 10
	}
	return &found, nil
}
