package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
)

// whatIf is what the commands change that decide without applying.
type whatIf struct {
	texts []string // as given
	files []string // documents
	queue string   // whose jobs finish-by concerns; empty: all
}

const finishByChange = "finish-by="

const whatIfHelp = `--what-if takes finish-by=TIME (of all jobs, or of those of -q QUEUE), price.POOL=2x or price.POOL=1.20, and any field of a document as KIND/NAME.FIELD=VALUE, such as
pool/spot.replicas.max=4 or queue/fraud.objective.finishWithin=2h. It can be given several times. -f gives documents that replace those of the same kind and name.`

func (w *whatIf) flags(command *cobra.Command) {
	documentFlag(command, &w.files)
	command.Flags().StringArrayVar(&w.texts, "what-if", nil, "change one value: finish-by=05:00, price.POOL=2x, or KIND/NAME.FIELD=VALUE")
	command.Flags().StringVarP(&w.queue, "queue", "q", "", "queue whose jobs finish-by concerns (default: all)")
}

// changed says whether anything is.
func (w *whatIf) changed() bool { return len(w.texts)+len(w.files) > 0 }

// split takes the changes of documents apart from the deadline; empty: there is none.
func (w *whatIf) split() (changes []string, finishBy string) {
	for _, text := range w.texts {
		if by, is := strings.CutPrefix(text, finishByChange); is {
			finishBy = by
			continue
		}
		changes = append(changes, text)
	}
	return changes, finishBy
}

// deadline reads finish-by as of a time: the next 05:00 after it. Zero: there is none.
func (w *whatIf) deadline(now time.Time) (time.Time, error) {
	_, text := w.split()
	if text == "" {
		return time.Time{}, nil
	}
	at, err := parseDeadline(text, now)
	if err != nil {
		return at, fmt.Errorf("--what-if finish-by: %w", err)
	}
	return at, nil
}

// documents are those that result from present ones.
func (w *whatIf) documents(present document.Set) (document.Set, error) {
	files, err := catalog.Files(w.files)
	if err != nil {
		return document.Set{}, err
	}
	changes, _ := w.split()
	set, err := present.With(files, changes)
	if err != nil {
		return set, fmt.Errorf("the changed documents: %w", err)
	}
	return set, nil
}
