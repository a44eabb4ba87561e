package scorer
import ("testing";"math/rand/v2";"time";"encoding/binary")
func TestZZProbe(t *testing.T) {
	stream, _ := recordStream(sampleRecord(t))
	from := 8 + int(binary.LittleEndian.Uint32(stream[4:]))
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	end := time.Now().Add(100*time.Second)
	n := 0
	for time.Now().Before(end) {
		s := append([]byte(nil), stream...)
		for range 1+r.IntN(6) {
			i := from+r.IntN(len(s)-from)
			switch r.IntN(4) {
			case 0: s[i] = byte(r.Uint32())
			case 1: s[i] ^= 1 << r.IntN(8)
			case 2: s[i] = 0xff
			case 3: j := r.IntN(len(s)); s[i] = s[j]
			}
		}
		a := time.Now()
		_, _ = arrowResult(s, 2, nil)
		if d := time.Since(a); d > 200*time.Millisecond { t.Log(n, d) }
		n++
	}
	t.Log(n)
}
