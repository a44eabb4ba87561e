package state

import "context"

// scheduleBytes is room for very many schedules: a record is mostly a few kilobytes, and never above the limit of a message.
const scheduleBytes = 64 << 20

// Schedule reads what PutSchedule stored of a schedule, and its revision. ErrNotFound: nothing.
func (s *Store) Schedule(ctx context.Context, name string, record any) (revision uint64, err error) {
	return get(ctx, s.schedules, name, record)
}

// PutSchedule writes over the revision that was read (0: there was none). ErrConflict: somebody else has decided meanwhile.
func (s *Store) PutSchedule(ctx context.Context, name string, record any, revision uint64) (uint64, error) {
	return put(name, record, func(key string, data []byte) (uint64, error) {
		if revision == 0 {
			return s.schedules.Create(ctx, key, data)
		}
		return s.schedules.Update(ctx, key, data, revision)
	})
}
