package document

import (
	"os"
	"testing"
)

// OB4: the example of docs/observe.md is documents, whose policy says that nothing is carried out and that others work the queue off; what is recorded says the same.
func TestExampleOfObservingIsDocuments(t *testing.T) {
	t.Parallel()
	const page = "../../docs/observe.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	set, err := Decode(File{page, yamlBlock.FindSubmatch(text)[1]})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := set.Bare().Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(File{"bare.yaml", bare})
	if err != nil {
		t.Fatal(err)
	}
	again.Queues[0].Spec.Delivery = DeliveryShards // mode alone says it, too
	for _, one := range []Set{set, again} {
		if policy := one.Policy(); !policy.Pools[0].Observe || !policy.Queues[0].External {
			t.Errorf("policy %+v", policy)
		}
	}
}
