package format

import "io"

// mostOffsets bounds a csv index; the spacing grows when an object needs more.
const mostOffsets = 20_000

// IndexCSV reads a whole csv object and gives the offsets at which it may be cut: real beginnings of rows, about every
// spacing bytes, ascending, never 0 and never inside quotes. It needs constant memory. Two neighbouring offsets are at least
// spacing apart; the object's beginning and end are not among them.
func IndexCSV(in io.Reader, spacing int64) ([]int64, error) {
	rows := newLines(in, 0, maxHeaderBytes)
	rows.quotes = true
	defer rows.close()
	spacing = max(1, spacing)
	next := spacing
	var offsets []int64
	for header := true; ; {
		row, err := rows.next()
		switch {
		case err == io.EOF:
			return offsets, nil
		case err != nil:
			return nil, err
		case !row.tooLong && len(row.content()) == 0:
			continue
		case header:
			header = false
			continue
		case row.offset < next:
			continue
		}
		if len(offsets) == mostOffsets {
			offsets, spacing = thin(offsets), 2*spacing
			if row.offset < offsets[len(offsets)-1]+spacing {
				next = offsets[len(offsets)-1] + spacing
				continue
			}
		}
		offsets = append(offsets, row.offset)
		next = row.offset + spacing
	}
}

// thin keeps every second offset.
func thin(offsets []int64) []int64 {
	kept := offsets[:0]
	for i := 0; i < len(offsets); i += 2 {
		kept = append(kept, offsets[i])
	}
	return kept
}
