package format

import (
	"sync"
	"sync/atomic"
)

// blockBytes is the size of the usual buffer: large enough that moving a broken row to the next one costs nothing, small
// enough to stay in a processor's cache.
const blockBytes = 256 << 10

var (
	blocks = sync.Pool{New: func() any { return &block{data: make([]byte, blockBytes)} }}
	chunks = sync.Pool{New: func() any { return &Chunk{} }}
)

// block is a buffer shared by its reader and the chunks whose rows lie in it. The last holder gives it back.
type block struct {
	data    []byte
	holders atomic.Int32
}

// newBlock gives a buffer of at least size bytes, held once.
func newBlock(size int) *block {
	b := &block{}
	if size <= blockBytes {
		b = blocks.Get().(*block)
	} else {
		b.data = make([]byte, size)
	}
	b.holders.Store(1)
	return b
}

func (b *block) retain() { b.holders.Add(1) }

// own says whether the caller, who holds the block, is the only one.
func (b *block) own() bool { return b.holders.Load() == 1 }

func (b *block) release() {
	if b.holders.Add(-1) == 0 && len(b.data) == blockBytes {
		blocks.Put(b)
	}
}

func newChunk() *Chunk { return chunks.Get().(*Chunk) }
