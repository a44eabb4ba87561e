package main

import "testing"

func TestBenchPlanScale(t *testing.T) {
	t.Parallel()
	report := benchReported[scaleReport](t, "plan-scale", "--queues", "20", "--pools", "4", "--workers", "40", "--rounds", "3")
	if len(report.Rows) != 1 || report.Jobs != 100 {
		t.Fatalf("%+v", report)
	}
	if row := report.Rows[0]; row.Cell != "20/4/40" || !(row.Least > 0) || row.Seconds < row.Least || row.Most < row.Seconds || row.Allocations == 0 || row.Bytes == 0 || row.HeapBytes == 0 {
		t.Errorf("%+v", row)
	}
	benchRefuses(t, []string{"plan-scale"}, []refusal{{"--pools", "0", "--pools: 0; allowed: 1 to 1000000", 2}})
}
