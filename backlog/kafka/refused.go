package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// told is a failure as a sentence: which right is missing where one is, and without a secret.
func told(doing string, err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return doing + ": not allowed; the user needs " + right(doing, "topic")
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return doing + ": not allowed; the user needs " + right(doing, "group")
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return doing + ": not allowed; the user needs DESCRIBE on the cluster"
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return doing + ": the broker refuses the user or the password (SASL)"
	case errors.Is(err, context.DeadlineExceeded):
		return doing + ": no answer in time"
	}
	return fmt.Sprintf("%s: %v", doing, err)
}

// What needs another right than DESCRIBE.
const (
	lookingAt      = "look at records of topic "
	askingSettings = "ask for the settings of topic "
	producing      = "produce results to topic "
)

func right(doing, of string) string {
	switch {
	case strings.HasPrefix(doing, lookingAt):
		return "READ on the topic"
	case strings.HasPrefix(doing, producing):
		return "WRITE on the topic"
	case strings.HasPrefix(doing, askingSettings):
		return "DESCRIBE_CONFIGS on the topic"
	}
	return "DESCRIBE on the " + of
}

func code(number int16) error { return kerr.ErrorForCode(number) }

// list joins numbers of partitions, the first few of many.
func list(partitions []int32) string {
	const most = 8
	partitions = slices.Sorted(slices.Values(partitions))
	var all []string
	for i, p := range partitions {
		if i == most {
			return strings.Join(all, ", ") + fmt.Sprintf(" and %d more", len(partitions)-most)
		}
		all = append(all, fmt.Sprint(p))
	}
	return strings.Join(all, ", ")
}
