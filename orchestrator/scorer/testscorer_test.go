package scorer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// The test program is its own scorer: started with this variable set, it speaks the protocol instead of running tests.
const asScorer = "NIGHTSHIFT_TEST_AS_SCORER=1"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv("NIGHTSHIFT_TEST_AS_SCORER") != "":
		(&testScorer{input: bufio.NewReader(os.Stdin)}).run()
	case os.Getenv("NIGHTSHIFT_TEST_AS_WORKER") != "":
		beWorker()
	default:
		os.Exit(m.Run())
	}
}

// testScorer answers every row with the row itself. The parameters say how it starts; a row with "do" says what goes wrong
// when it is scored.
type testScorer struct {
	input      *bufio.Reader
	parameters struct {
		Start       string // how it starts, if not as it should
		Accept      []string
		Return      string
		AnswerArrow bool   // answer in Arrow, whatever was announced
		Stop        string // "ignored" or "exit 5"
		Child       bool   // start a child that sleeps
	}
}

type testRow struct {
	Do    string `json:"do"`
	Bytes int    `json:"bytes"`
}

func (s *testScorer) run() {
	var first struct{ Parameters json.RawMessage }
	if json.Unmarshal(s.line(), &first) != nil || json.Unmarshal(first.Parameters, &s.parameters) != nil {
		os.Exit(90)
	}
	fmt.Fprintln(os.Stderr, "scorer starts")
	s.start()
	for {
		line := s.line()
		var header struct {
			Type, Encoding string
			ID             int64
			Rows, Bytes    int
		}
		if json.Unmarshal(line, &header) != nil {
			os.Exit(91)
		}
		if header.Type == "stop" {
			s.stop()
		}
		payload := make([]byte, header.Bytes)
		if _, err := io.ReadFull(s.input, payload); err != nil {
			os.Exit(92)
		}
		if header.Encoding == "arrow" {
			s.answerArrow(header.ID, header.Rows, payload)
			continue
		}
		lines := bytes.Split(bytes.TrimSuffix(payload, []byte("\n")), []byte("\n"))
		if len(lines) != header.Rows {
			os.Exit(93)
		}
		s.answer(header.ID, lines)
	}
}

func (s *testScorer) line() []byte {
	line, err := s.input.ReadBytes('\n')
	if err != nil {
		if s.parameters.Stop == "ignored" {
			sleep()
		}
		os.Exit(0)
	}
	return line
}

func sleep() { time.Sleep(time.Hour) }

func say(format string, arguments ...any) { fmt.Printf(format+"\n", arguments...) }

func (s *testScorer) start() {
	if s.parameters.Child {
		child := exec.Command("sleep", "3600")
		if child.Start() != nil {
			os.Exit(94)
		}
		fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
	}
	switch s.parameters.Start {
	case "":
		accept, _ := json.Marshal(append([]string{"jsonl"}, s.parameters.Accept...))
		say(`{"type":"ready","protocol":1,"accept":%s,"return":%q}`, accept, max(s.parameters.Return, "jsonl"))
	case "fatal":
		say(`{"type":"fatal","code":"no_weights","message":"weights.bin is missing"}`)
		os.Exit(1)
	case "exit":
		fmt.Fprintln(os.Stderr, "ImportError: no module named torch")
		os.Exit(3)
	case "never":
		sleep()
	default:
		say("%s", s.parameters.Start)
	}
}

func (s *testScorer) stop() {
	switch s.parameters.Stop {
	case "ignored":
		sleep()
	case "exit 5":
		os.Exit(5)
	}
	os.Exit(0)
}

func (s *testScorer) answer(id int64, lines [][]byte) {
	rowErrors := []RowError{}
	for i, line := range lines {
		var row testRow
		if json.Unmarshal(line, &row) != nil {
			os.Exit(95)
		}
		if row.Do == "row error" {
			rowErrors = append(rowErrors, RowError{Row: i, Code: "bad_amount", Message: "amount is negative"})
			lines[i] = []byte("null")
		} else if row.Do != "" && s.misbehave(id, row, len(lines)) {
			return
		}
	}
	text, _ := json.Marshal(rowErrors)
	say(`{"type":"result","id":%d,"encoding":"jsonl","rows":%d,"errors":%s}`, id, len(lines), text)
	_, _ = os.Stdout.Write(append(bytes.Join(lines, []byte("\n")), '\n'))
}

// misbehave reports whether that was the answer.
func (s *testScorer) misbehave(id int64, row testRow, rows int) bool {
	result := func(id int64, rows int, rest string) {
		say(`{"type":"result","id":%d,"encoding":"jsonl","rows":%d%s`, id, rows, rest)
	}
	objects := func(count int) string { return strings.TrimSuffix(strings.Repeat("{}\n", count), "\n") }
	switch row.Do {
	case "exit":
		fmt.Fprintln(os.Stderr, "assertion failed: amount >= 0")
		os.Exit(7)
	case "half an answer":
		fmt.Printf(`{"type":"result","id":%d,"encoding":"jsonl","rows":%d,"bytes":%d}`+"\n{", id, rows, 3*rows)
		os.Exit(7)
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		sleep()
	case "hang":
		sleep()
	case "pause":
		time.Sleep(300 * time.Millisecond)
		return false
	case "error":
		say(`{"type":"error","id":%d,"code":"ValueError","message":"amount is negative"}`, id)
	case "fewer rows":
		result(id, rows-1, "}\n"+objects(rows-1))
	case "more lines":
		result(id, rows, fmt.Sprintf(`,"bytes":%d}`, 3*(rows+1))+"\n"+objects(rows+1))
	case "fewer lines":
		result(id, rows, `,"bytes":0}`)
	case "other id":
		result(id+5, rows, "}\n"+objects(rows))
	case "huge":
		result(id, rows, `,"bytes":10000000000}`)
	case "print":
		fmt.Println("processing batch")
	case "close output":
		_ = os.Stdout.Close()
		sleep()
	case "ready again":
		say(`{"type":"ready","protocol":1}`)
	case "answer twice":
		result(id, rows, "}\n"+objects(rows))
		result(id+1, rows, "}\n"+objects(rows))
	case "memory":
		hog = bytes.Repeat([]byte{1}, row.Bytes)
		sleep()
	default:
		os.Exit(96)
	}
	return true
}

var hog []byte

func (s *testScorer) answerArrow(id int64, rows int, payload []byte) {
	reader, err := ipc.NewReader(bytes.NewReader(payload))
	if err != nil || !reader.Next() || int(reader.RecordBatch().NumRows()) != rows {
		os.Exit(97)
	}
	if !s.parameters.AnswerArrow {
		lines, err := recordLines(reader.RecordBatch(), nil)
		if err != nil {
			os.Exit(98)
		}
		s.answer(id, lines)
		return
	}
	say(`{"type":"result","id":%d,"encoding":"arrow","rows":%d,"bytes":%d}`, id, rows, len(payload))
	_, _ = os.Stdout.Write(payload)
}
