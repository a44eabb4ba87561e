package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"nightshift.dev/nightshift/orchestrator"
)

// checkRounds is how often a source is read before an error counts: coordinators are sought in the first round.
const checkRounds = 3

// checking is a look at one source.
type checking struct {
	client *kgo.Client
	source Source
	found  []orchestrator.SourceFinding
}

// Check looks for what stands in the way of draining a group's topic with this connection, and changes nothing. What arrives is due within a time, 0: unknown.
func Check(ctx context.Context, connection Connection, source Source, within time.Duration) []orchestrator.SourceFinding {
	reader, backlog, err := readForCheck(ctx, connection, source)
	if err != nil {
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error()}}
	}
	defer reader.Close()
	c := checking{client: reader.client, source: source}
	c.topicRights(ctx)
	c.groupRights(ctx)
	c.members(ctx)
	c.settings(ctx, within)
	for _, note := range backlog.Notes {
		if !strings.Contains(note, lookingAt) { // said by its right
			c.say(false, "", "%s", note)
		}
	}
	return c.found
}

// readForCheck gives a reading that has no error, and its reader, for the caller to close.
func readForCheck(ctx context.Context, connection Connection, source Source) (*Reader, orchestrator.Backlog, error) {
	reader, err := New(connection, []Source{source})
	if err != nil {
		return nil, orchestrator.Backlog{}, err
	}
	backlog := reader.Read(ctx, time.Now())[0]
	for round := 1; backlog.Err != "" && round < checkRounds && wait(ctx, time.Second) == nil; round++ {
		backlog = reader.Read(ctx, time.Now())[0]
	}
	if backlog.Err != "" {
		reader.Close()
		return nil, backlog, errors.New(backlog.Err)
	}
	return reader, backlog, nil
}

func (c *checking) say(refused bool, next, text string, values ...any) {
	c.found = append(c.found, orchestrator.SourceFinding{Refused: refused, Found: fmt.Sprintf(text, values...), Next: next})
}

// unseen is what could not be asked.
func (c *checking) unseen(doing string, err error) { c.say(false, "", "%s", told(doing, err)) }

// topicRights asks the broker what the user may do with the topic.
func (c *checking) topicRights(ctx context.Context) {
	response, err := askTopic(ctx, c.client, c.source.Topic, true)
	if err == nil && len(response.Topics) == 1 {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil || len(response.Topics) != 1 {
		c.unseen("ask for rights on topic "+c.source.Topic, err)
		return
	}
	const unknown = -1 << 31
	if may := response.Topics[0].AuthorizedOperations; may != unknown && may&(1<<kmsg.ACLOperationRead) == 0 {
		c.say(true, "Grant READ on the topic", "the user may not read topic %s", c.source.Topic)
	}
}

// groupRights sends the heartbeat of a member that there is not: it changes nothing, and needs the right that commits need.
func (c *checking) groupRights(ctx context.Context) {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.Generation, request.MemberID = c.source.Group, -1, "nightshift-doctor"
	response, err := request.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		c.say(true, "Grant READ on the group", "the user may not commit offsets for group %s", c.source.Group)
	}
}

// members looks for somebody who consumes with the group.
func (c *checking) members(ctx context.Context) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{c.source.Group}
	response, err := request.RequestWith(ctx, c.client)
	if err == nil && len(response.Groups) == 1 {
		var clients []string
		for _, member := range response.Groups[0].Members {
			clients = append(clients, member.ClientID+member.ClientHost)
		}
		err = kerr.ErrorForCode(response.Groups[0].ErrorCode)
		c.foreign(clients)
	}
	if errors.Is(err, kerr.GroupIDNotFound) { // there is none, or it is one of the newer protocol (KIP-848)
		err = c.newerMembers(ctx)
	}
	if err != nil {
		c.unseen("ask for members of group "+c.source.Group, err)
	}
}

func (c *checking) newerMembers(ctx context.Context) error {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{c.source.Group}
	response, err := request.RequestWith(ctx, c.client)
	if err != nil || len(response.Groups) != 1 {
		return err
	}
	var clients []string
	for _, member := range response.Groups[0].Members {
		clients = append(clients, member.ClientID+member.ClientHost)
	}
	c.foreign(clients)
	if err := kerr.ErrorForCode(response.Groups[0].ErrorCode); !errors.Is(err, kerr.GroupIDNotFound) {
		return err
	}
	return nil
}

func (c *checking) foreign(clients []string) {
	if len(clients) > 0 {
		c.say(true, "End them, or give the queue a group of its own",
			"group %s has %d members (%s): brokers refuse our commits meanwhile", c.source.Group, len(clients), strings.Join(clients[:min(len(clients), 3)], ", "))
	}
}

// settings looks at what the topic may lose before it is scored, and whether its lag is a count.
func (c *checking) settings(ctx context.Context, within time.Duration) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, c.source.Topic, []string{"cleanup.policy", "retention.ms"}
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(ctx, c.client)
	if err != nil || len(response.Resources) != 1 || response.Resources[0].ErrorCode != 0 {
		return // the notes of the reading say which right is missing
	}
	settings := map[string]string{}
	for _, one := range response.Resources[0].Configs {
		if one.Value != nil {
			settings[one.Name] = *one.Value
		}
	}
	policy := settings["cleanup.policy"]
	if strings.Contains(policy, "compact") {
		c.say(false, "", "topic %s is compacted: its lag is an upper bound, and a record may be replaced before it is scored", c.source.Topic)
	}
	milliseconds, err := strconv.ParseInt(settings["retention.ms"], 10, 64)
	if kept := time.Duration(milliseconds) * time.Millisecond; err == nil && strings.Contains(policy, "delete") && milliseconds >= 0 && milliseconds <= within.Milliseconds() {
		c.say(false, "Raise retention.ms", "topic %s deletes records after %s, and they are due within %s: what is late is lost", c.source.Topic, kept, within)
	}
}
