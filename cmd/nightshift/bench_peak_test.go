package main

import "testing"

// PK2: with known peaks workers wait for the burst with their model loaded; without they start when it comes. Where it is due so late that a start is in time, both are the same (PK1),
// and what does not come is paid for a short while (PK11).
func TestBenchPeak(t *testing.T) {
	t.Parallel()
	report := benchReported[peakReport](t, "peak", "--nights", "2", "--work", "20m")
	rows := map[string]peakRow{}
	for _, row := range report.Rows {
		rows[row.Within+" "+row.Case+" "+row.Policy] = row
	}
	warm, cold := rows["5m0s on time nightshift"], rows["5m0s on time nightshift without peaks"]
	if warm.Served == 0 || warm.Slow > 5 || cold.First < 60 || warm.Late > 0 || warm.Billed >= cold.Billed {
		t.Errorf("with peaks %+v, without %+v", warm, cold)
	}
	if warm, cold := rows["15m0s on time nightshift"], rows["15m0s on time nightshift without peaks"]; warm.Billed != cold.Billed || warm.Late > 0 {
		t.Errorf("with peaks %+v, without %+v", warm, cold)
	}
	missing, cron := rows["5m0s missing nightshift"], rows["5m0s missing keda-cron"]
	if missing.Billed == 0 || missing.Billed >= cron.Billed || rows["15m0s missing nightshift"].Billed != 0 {
		t.Errorf("missing: %+v, keda-cron %+v", missing, cron)
	}
	if len(report.Rows) != 2*6*4 || len(report.Documents) != 2 {
		t.Errorf("%d rows, %d documents", len(report.Rows), len(report.Documents))
	}
}

func TestBenchPeakFlags(t *testing.T) {
	t.Parallel()
	benchRefuses(t, []string{"peak"}, []refusal{
		{"--nights", "0", "--nights: 0; allowed: 1 to 10000", 2},
		{"--work", "1s", "--work: 1s; allowed: 1m to 24h", 2},
		{"--objective", "5s", "--objective: 5s; allowed: 1m to 1h", 2},
	})
}
