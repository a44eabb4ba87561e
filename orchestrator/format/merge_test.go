package format

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// Scoring with failures and retrying them gives what undisturbed scoring gives, less the rows that failed again.
func TestMergedPartsAreAsIfNothingHadFailed(t *testing.T) {
	t.Parallel()
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			store, root := shelf{}, "file:///out"
			rapid.Check(t, func(t *rapid.T) {
				rows := drawRows(t, 12)
				var first, all []FreshRow
				var failed []int64
				again := map[int64]bool{}
				for i, row := range rows {
					if rapid.Bool().Draw(t, "failed") {
						failed = append(failed, int64(i))
						if again[int64(i)] = rapid.Bool().Draw(t, "failed again"); again[int64(i)] {
							continue
						}
					} else {
						first = append(first, row)
					}
					all = append(all, row)
				}
				suffix := "." + string(layout)
				old := writeRows(t, store, root+"/old"+suffix, layout, "id", first)
				merged := mergeRows(t, store, root+"/merged"+suffix, layout, old, int64(len(rows)), failed, func(ordinal int64) (FreshRow, bool) {
					return rows[ordinal], !again[ordinal]
				})
				want := writeRows(t, store, root+"/undisturbed"+suffix, layout, "id", all)
				if diff := cmp.Diff(readPart(t, store, want, layout), readPart(t, store, merged, layout)); diff != "" {
					t.Fatalf("rows (-undisturbed +merged):\n%s", diff)
				}
				if layout == orchestrator.FormatJSONL && want.SHA256 != merged.SHA256 {
					t.Fatalf("the merged part differs from the undisturbed one")
				}
			})
		})
	}
}

func mergeRows(t fataler, store shelf, uri string, layout orchestrator.Format, old orchestrator.ObjectRef, rows int64, failed []int64,
	fresh func(int64) (FreshRow, bool)) orchestrator.ObjectRef {
	t.Helper()
	reader, err := OpenPart(contextOf(t), store, old, layout)
	if err != nil {
		t.Fatalf("open part: %v", err)
	}
	defer reader.Close()
	part, err := NewPartWriter(store.create(uri), layout, "id")
	if err != nil {
		t.Fatalf("new part: %v", err)
	}
	if err := MergePart(reader, part, rows, failed, fresh); err != nil {
		t.Fatalf("merge: %v", err)
	}
	written, err := part.Close(contextOf(t))
	if err != nil {
		t.Fatalf("close: %v", err)
	}
	return written
}

func TestMergeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	rows := []FreshRow{{Key: []byte("1"), Result: []byte("{}")}, {Key: []byte("2"), Result: []byte("{}")}}
	old := writeRows(t, store, root+"/old.jsonl", orchestrator.FormatJSONL, "id", rows)
	lying := old
	lying.Rows = 3
	cases := []struct {
		name   string
		old    orchestrator.ObjectRef
		rows   int64
		failed []int64
	}{
		{"too few failed", old, 4, []int64{1}},
		{"too many failed", old, 2, []int64{1}},
		{"failed beyond the range", old, 3, []int64{3}},
		{"not ascending", old, 4, []int64{2, 1}},
		{"fewer rows than said", lying, 3, nil},
	}
	for _, test := range cases {
		reader, err := OpenPart(t.Context(), store, test.old, orchestrator.FormatJSONL)
		if err != nil {
			t.Fatal(err)
		}
		part, err := NewPartWriter(store.create(root+"/new.jsonl"), orchestrator.FormatJSONL, "id")
		if err != nil {
			t.Fatal(err)
		}
		err = MergePart(reader, part, test.rows, test.failed, func(int64) (FreshRow, bool) { return FreshRow{}, false })
		wantError(t, err, CodePartMismatch)
		if err := errors.Join(reader.Close(), part.Abort(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func TestConcatKeepsRowsInOrder(t *testing.T) {
	t.Parallel()
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			store, root := shelf{}, "file:///out"
			rapid.Check(t, func(t *rapid.T) {
				rows := drawRows(t, 15)
				var parts []orchestrator.ObjectRef
				for begin := 0; begin < len(rows); {
					end := rapid.IntRange(begin, len(rows)).Draw(t, "end")
					parts = append(parts, writeRows(t, store, fmt.Sprintf("%s/%d.%s", root, len(parts), layout), layout, "id", rows[begin:end]))
					if begin = end; len(parts) == 6 {
						rows = rows[:begin]
					}
				}
				joined, err := Concat(contextOf(t), store, parts, layout, store.create(root+"/all."+string(layout)))
				if err != nil {
					t.Fatalf("concat: %v", err)
				}
				whole := writeRows(t, store, root+"/whole."+string(layout), layout, "id", rows)
				if joined.Rows != whole.Rows || layout == orchestrator.FormatJSONL && joined.SHA256 != whole.SHA256 {
					t.Fatalf("joined %+v, whole %+v", joined, whole)
				}
				if diff := cmp.Diff(readPart(t, store, whole, layout), readPart(t, store, joined, layout)); diff != "" {
					t.Fatalf("rows (-whole +joined):\n%s", diff)
				}
			})
		})
	}
}

func TestConcatRefusesDamagedParts(t *testing.T) {
	t.Parallel()
	store, root := shelf{}, "file:///out"
	for _, layout := range []orchestrator.Format{orchestrator.FormatJSONL, orchestrator.FormatParquet} {
		number := writeRows(t, store, root+"/number."+string(layout), layout, "id", []FreshRow{{Key: []byte("1"), Result: []byte(`{"a":1}`)}})
		text := writeRows(t, store, root+"/text."+string(layout), layout, "id", []FreshRow{{Key: []byte("1"), Result: []byte(`{"a":"s"}`)}})
		lying := number
		lying.SHA256, lying.Rows = "00", 2
		join := func(parts ...orchestrator.ObjectRef) error {
			_, err := Concat(t.Context(), store, parts, layout, store.create(root+"/all."+string(layout)))
			return err
		}
		wantError(t, join(number, lying), CodePartMismatch)
		if layout == orchestrator.FormatParquet {
			wantError(t, join(number, text), CodeTypeConflict)
		}
		if store[root+"/all."+string(layout)] != nil {
			t.Error("a failed join left an object")
		}
	}
}
