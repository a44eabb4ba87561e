package dispatch

import (
	"bytes"
	"context"
	"io"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
)

type sampleTmp struct{ RowBytes float64 }

func sampleOf(ctx context.Context, store *object.Store, from orchestrator.Object) (sampleTmp, error) {
	r, err := store.OpenRange(ctx, from, 0, 64<<10)
	if err != nil {
		return sampleTmp{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	n := bytes.Count(data, []byte("\n"))
	if n == 0 {
		return sampleTmp{RowBytes: float64(len(data))}, err
	}
	return sampleTmp{RowBytes: float64(len(data)) / float64(n)}, err
}
