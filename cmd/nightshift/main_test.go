package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
)

// TestMain makes the test program its own scorer: started with this variable set, it answers every row with itself instead of running tests.
func TestMain(m *testing.M) {
	switch os.Getenv("NIGHTSHIFT_TEST_AS_SCORER") {
	case "":
		os.Exit(m.Run())
	case "broken":
		fmt.Fprintln(os.Stderr, "ImportError: no module named torch")
		os.Exit(3)
	default:
		echo(bufio.NewReader(os.Stdin))
	}
}

func echo(input *bufio.Reader) {
	if _, err := input.ReadBytes('\n'); err != nil { // hello
		os.Exit(90)
	}
	fmt.Println(`{"type":"ready","protocol":1,"accept":["jsonl"],"return":"jsonl"}`)
	for {
		line, err := input.ReadBytes('\n')
		var header struct {
			Type        string
			ID          int64
			Rows, Bytes int
		}
		if err != nil || json.Unmarshal(line, &header) != nil {
			os.Exit(91)
		}
		if header.Type == "stop" {
			os.Exit(0)
		}
		rows := make([]byte, header.Bytes)
		if _, err := io.ReadFull(input, rows); err != nil {
			os.Exit(92)
		}
		fmt.Printf(`{"type":"result","id":%d,"encoding":"jsonl","rows":%d,"errors":[]}`+"\n", header.ID, header.Rows)
		_, _ = os.Stdout.Write(rows)
	}
}
