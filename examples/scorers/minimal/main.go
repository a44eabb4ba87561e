// Command minimal is a scorer in Go: the protocol of docs/scorer.md by hand, with the standard library alone.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"log"
	"math"
	"os"
	"slices"
)

type object map[string]any

var in, out = bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)

// score is the model: a row in, a result or an error out.
func score(line []byte) (object, error) {
	var row struct {
		ID     string
		Amount float64
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, err
	}
	if row.Amount < 0 {
		return nil, errors.New("amount must be 0 or more")
	}
	return object{"id": row.ID, "score": 1 / (1 + math.Exp((100-row.Amount)/50))}, nil
}

func main() {
	var hello struct{ Protocol []int }
	receive(&hello)
	if !slices.Contains(hello.Protocol, 1) {
		send(object{"type": "fatal", "code": "protocol_version", "message": "this scorer speaks protocol 1"})
		return
	}
	send(object{"type": "ready", "protocol": 1})
	for {
		var header struct {
			Type     string
			ID, Rows int
		}
		if receive(&header); header.Type != "batch" {
			return // stop, or the end of the input
		}
		results, failures := make([]object, header.Rows), []object{}
		for i := range results {
			line, err := in.ReadBytes('\n')
			if err == nil {
				results[i], err = score(line)
			}
			if err != nil {
				failures = append(failures, object{"row": i, "code": "bad_row", "message": err.Error()})
			}
		}
		answer := object{"type": "result", "id": header.ID, "encoding": "jsonl", "rows": header.Rows, "errors": failures}
		send(append([]object{answer}, results...)...)
	}
}

// receive reads a header line. At the end of the input it leaves the header empty.
func receive(header any) {
	if line, err := in.ReadBytes('\n'); err == nil && json.Unmarshal(line, header) != nil {
		log.Fatalf("not a header: %s", line) // It goes to standard error; standard output belongs to the protocol.
	}
}

// send writes every message, or null for a nil one, as a line of its own.
func send(messages ...object) {
	for _, message := range messages {
		if err := json.NewEncoder(out).Encode(message); err != nil {
			log.Fatal(err)
		}
	}
	_ = out.Flush() // Where nobody reads any more, the input has ended as well.
}
