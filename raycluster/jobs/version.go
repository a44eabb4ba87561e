package jobs

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Minimum is the oldest version of Ray that the driver was run on.
const Minimum = "2.44.1"

// Version reads the version of Ray. ErrTooOld: it is below Minimum, or none.
func (c *Client) Version(ctx context.Context) (string, error) {
	var answer struct {
		Ray string `json:"ray_version"`
	}
	if err := c.call(ctx, callWithin, http.MethodGet, "/api/version", nil, &answer); err != nil {
		return "", err
	}
	return answer.Ray, checkVersion(answer.Ray)
}

func checkVersion(version string) error {
	have, known := numbers(version)
	least, _ := numbers(Minimum)
	for i := range least {
		switch {
		case known && have[i] > least[i]:
			return nil
		case !known || have[i] < least[i]:
			return fmt.Errorf("ray %q: %w: the driver needs %s or newer; raise rayVersion and the images of the RayCluster", version, ErrTooOld, Minimum)
		}
	}
	return nil
}

// numbers reads 2.60.0 and 3.0.0.dev0.
func numbers(version string) (parts [3]int, ok bool) {
	fields := strings.SplitN(version, ".", 4)
	if len(fields) < len(parts) {
		return parts, false
	}
	for i := range parts {
		digits, _, _ := strings.Cut(fields[i], "rc") // 2.60.0rc1
		number, err := strconv.Atoi(digits)
		if err != nil {
			return parts, false
		}
		parts[i] = number
	}
	return parts, true
}
