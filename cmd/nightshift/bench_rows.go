package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// shortRow is about how long a row is without a text, in bytes.
const shortRow = 100

// writeRows writes seeded rows as JSON lines and gives their bytes. Numbers have few decimals: Ray Data writes no more than ten. Rows are rowBytes long, as nearly as
// they are longer than shortRow, by a text of random hexadecimal digits, which compression halves.
func writeRows(path string, rows int64, seed uint64, rowBytes int) (size int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("write rows: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, 1<<20)
	random := rand.New(rand.NewPCG(seed, seed))
	var line []byte
	for row := range rows {
		line = fmt.Appendf(line[:0], `{"id":"transaction-%010d","amount":%.2f,"risk":%.6f,"count":%d,"merchant":%d`,
			row, 10+random.Float64()*1000, random.Float64(), random.IntN(1000), 100_000+random.IntN(900_000))
		if long := rowBytes - shortRow; long > 0 {
			line = append(line, `,"note":"`...)
			for range (long + 15) / 16 {
				line = fmt.Appendf(line, "%016x", random.Uint64())
			}
			line = append(line, '"')
		}
		line = append(line, "}\n"...)
		size += int64(len(line))
		if _, err := out.Write(line); err != nil {
			return size, fmt.Errorf("write rows: %w", err)
		}
	}
	return size, out.Flush()
}

// rowDigest says what some rows are, in whatever order they stand.
type rowDigest struct {
	Rows int64
	Sum  [4]uint64 // of the SHA-256 of every row, by its four words
}

// MarshalJSON writes the sum as text: its words are longer than the whole numbers of many readers.
func (r rowDigest) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"rows":%d,"digest":%q}`, r.Rows, r.text()), nil
}

// text is the sum as hexadecimal digits.
func (r rowDigest) text() string {
	return fmt.Sprintf("%016x%016x%016x%016x", r.Sum[0], r.Sum[1], r.Sum[2], r.Sum[3])
}

// add counts one row, written with its names sorted and its numbers as their shortest float.
func (r *rowDigest) add(line []byte) error {
	var row map[string]any
	if err := json.Unmarshal(line, &row); err != nil {
		return fmt.Errorf("row %.80q: %w", line, err)
	}
	canonical, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("row %.80q: %w", line, err)
	}
	hash := sha256.Sum256(canonical)
	for word := range r.Sum {
		r.Sum[word] += binary.BigEndian.Uint64(hash[8*word:])
	}
	r.Rows++
	return nil
}

// digestFiles reads JSON lines.
func digestFiles(paths ...string) (rowDigest, error) {
	var all rowDigest
	for _, path := range paths {
		if err := digestFile(path, &all); err != nil {
			return all, fmt.Errorf("digest of %s: %w", path, err)
		}
	}
	return all, nil
}

func digestFile(path string, into *rowDigest) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := reader.ReadSlice('\n')
		if len(line) > 0 {
			if err := into.add(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
