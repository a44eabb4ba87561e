package scorer

import (
	"bufio"
	"errors"
	"io"
	"sync"
)

// tailBytes is how much of standard error is kept for errors, and the longest line passed on in one piece.
const tailBytes = 8 << 10

// tail keeps the last bytes of what a scorer wrote.
type tail struct {
	mu      sync.Mutex
	content []byte
}

// relay passes standard error on, line by line, until it ends.
func (t *tail) relay(from io.Reader, log func(line string)) {
	reader := bufio.NewReaderSize(from, tailBytes)
	for {
		line, err := reader.ReadSlice('\n')
		t.add(line)
		if size := len(line); size > 0 && log != nil {
			if line[size-1] == '\n' {
				size--
			}
			log(string(line[:size]))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.content = append(t.content, line...)
	if surplus := len(t.content) - tailBytes; surplus > 0 {
		t.content = append(t.content[:0], t.content[surplus:]...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.content)
}
