package document

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The example of docs/external.md is documents, whose policy says who works the queue off, and which are recorded without the command.
func TestExampleOfConsumersIsDocuments(t *testing.T) {
	t.Parallel()
	const page = "../../docs/external.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	match := yamlBlock.FindSubmatch(text)
	if match == nil {
		t.Fatal("no example")
	}
	set, err := Decode(File{page, match[1]})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := set.Bare().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(bare), "consumer.py") || !slices.Equal(set.Pools[0].Spec.Local.Command, []string{"python3", "consumer.py"}) {
		t.Errorf("what is recorded tells the command, or the pool has lost it:\n%s", bare)
	}
	again, err := Decode(File{"bare.yaml", bare})
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	before, after, _ := strings.Cut(string(match[1]), "  source: nats\n  delivery: external\n  nats: {stream: PAYMENTS, consumer: scoring}\n")
	ofKafka, err := Decode(File{page, []byte(before + string(blocks[1][1]) + after)})
	if err != nil || ofKafka.Queues[0].Spec.Kafka == nil {
		t.Fatalf("the example of Kafka: %v", err)
	}
	for _, one := range []Set{set, again, ofKafka} {
		if policy := one.Policy(); !policy.Queues[0].External || one.Pools[0].Spec.Local.MaxGrace != 10*time.Minute {
			t.Errorf("policy %+v, pool %+v", policy.Queues, one.Pools[0].Spec)
		}
	}
}
