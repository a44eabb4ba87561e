package kafka

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// policy is what is known of the gaps in a topic.
type policy struct {
	id        topicID
	asked     time.Time
	compacted bool
	err       string // why it is not known whether it is compacted
	gaps      bool   // transactions were seen, or offsets without a record
}

const askPolicyEvery = time.Minute

// askPolicies asks seldom whether topics are compacted, and notes which have transactions that are open.
func (r *Reader) askPolicies(ctx context.Context, a answers, now time.Time) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	for name, topic := range a.topics {
		p := r.policies[name]
		if topic.err != "" || p.id == topic.id && !p.asked.IsZero() && now.Sub(p.asked) < askPolicyEvery {
			continue
		}
		if p.id != topic.id {
			p = policy{id: topic.id}
		}
		p.asked = now
		p.err = askingSettings + name + ": no answer"
		r.policies[name] = p
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{"cleanup.policy"}
		request.Resources = append(request.Resources, resource)
	}
	for at, high := range a.highs {
		if a.stables[at].err == "" && a.stables[at].offset < high.offset {
			r.gapsIn(at.topic)
		}
	}
	if len(request.Resources) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	response, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return // each topic says that there is no answer
	}
	for _, resource := range response.Resources {
		p := r.policies[resource.ResourceName]
		p.err = ""
		if err := code(resource.ErrorCode); err != nil {
			p.err = told(askingSettings+resource.ResourceName, err)
		}
		for _, setting := range resource.Configs {
			if setting.Name == "cleanup.policy" && setting.Value != nil {
				p.compacted = strings.Contains(*setting.Value, "compact")
			}
		}
		r.policies[resource.ResourceName] = p
	}
}

func (r *Reader) gapsIn(topic string) {
	p := r.policies[topic]
	p.gaps = true
	r.policies[topic] = p
}
