package format

// arena holds the lines that a decoder makes, in blocks that the chunks keep.
type arena struct {
	block *block
	used  int
}

func newArena() arena { return arena{block: newBlock(blockBytes)} }

// room makes sure that a line of the usual size fits.
func (a *arena) room(size int) {
	if len(a.block.data)-a.used >= size {
		return
	}
	a.block.release()
	a.block, a.used = newBlock(max(blockBytes, size)), 0
}

// rest is the free part, empty, to append to. A line that outgrows it moves elsewhere by itself.
func (a *arena) rest() []byte { return a.block.data[a.used:a.used] }

// take keeps a line that was appended to rest for the chunk.
func (a *arena) take(into *Chunk, text []byte) []byte {
	into.hold(a.block)
	into.bytes += len(text)
	a.used = min(a.used+len(text), len(a.block.data))
	return text[:len(text):len(text)]
}

func (a *arena) close() { a.block.release() }
