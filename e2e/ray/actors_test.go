package ray

import (
	"encoding/json"
	"net/http"

	"nightshift.dev/nightshift/orchestrator"
)

// checkActors looks whether Ray shows each worker as an actor of its name with its resources (RD6).
func (s *site) checkActors(slots map[int]orchestrator.Presence) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.cluster.Dashboard+"/api/v0/actors?detail=true&limit=100", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end
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
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
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
