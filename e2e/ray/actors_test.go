package ray

import (
	"encoding/json"
	"net/http"
	"strconv"
	"syscall"

	"nightshift.dev/nightshift/orchestrator"
)

// checkActors looks whether Ray shows each worker as an actor of its name with its resources (RD6).
func (s *site) checkActors(slots map[int]orchestrator.Presence) {
	s.t.Helper()
	var answer struct {
		Data struct {
			Result struct {
				Result []struct {
					Name      string             `json:"name"`
					Class     string             `json:"class_name"`
					State     string             `json:"state"`
					Resources map[string]float64 `json:"required_resources"`
				} `json:"result"`
			} `json:"result"`
		} `json:"data"`
	}
	s.get("/api/v0/actors?detail=true&limit=100", &answer)
	shown := map[string]bool{}
	for _, actor := range answer.Data.Result.Result {
		if actor.State == "ALIVE" && actor.Class == "NightshiftWorker" && actor.Resources["GPU"] == s.config.Resources.GPUs {
			shown[actor.Name] = true
		}
	}
	for slot, worker := range slots {
		if !shown[worker.Worker] {
			s.t.Errorf("RD6: Ray does not show %s of slot %d: %+v", worker.Worker, slot, answer.Data.Result.Result)
		}
	}
}

// get reads what the dashboard says.
func (s *site) get(path string, answer any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.cluster.Dashboard+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		s.t.Fatal(err)
	}
}

// killDriver kills the process of a driver.
func (s *site) killDriver(id string) {
	s.t.Helper()
	var job struct {
		Driver struct {
			PID string `json:"pid"`
		} `json:"driver_info"`
	}
	s.get("/api/jobs/"+id, &job)
	pid, err := strconv.Atoi(job.Driver.PID)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
