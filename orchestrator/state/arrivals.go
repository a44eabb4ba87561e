package state

import (
	"context"

	"nightshift.dev/nightshift/orchestrator"
)

// arrivalsRecord is what arrived at a queue, as package arrivals writes it.
type arrivalsRecord struct {
	Windows []byte `json:"windows"`
}

func arrivalsKey(queue orchestrator.QueueName) string {
	return "arrivals." + queue.Tenant + "." + queue.Queue
}

// PutArrivals stores what arrived at a queue.
func (s *Store) PutArrivals(ctx context.Context, queue orchestrator.QueueName, windows []byte) error {
	return s.PutPlan(ctx, arrivalsKey(queue), arrivalsRecord{windows})
}

// Arrivals reads what PutArrivals stored. ErrNotFound: nothing.
func (s *Store) Arrivals(ctx context.Context, queue orchestrator.QueueName) ([]byte, error) {
	var record arrivalsRecord
	err := s.Plan(ctx, arrivalsKey(queue), &record)
	return record.Windows, err
}
