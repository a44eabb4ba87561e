package apiserver

import (
	"context"
	"fmt"

	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"nightshift.dev/nightshift/orchestrator"
)

// Right is one that an engine needs in a namespace.
type Right struct {
	Group, Resource, Verb string
	Helps                 bool // it goes without
	Everywhere            bool // in the whole cluster
}

// reads says that it changes nothing.
func (r Right) reads() bool { return r.Verb != "patch" && r.Verb != "create" && r.Verb != "delete" }

func (r Right) String() string {
	name := r.Resource
	if r.Group != "" {
		name += "." + r.Group
	}
	return r.Verb + " " + name
}

// Missing names the rights that the connection lacks; with observe only those are looked at that are needed to read. page is where all of them stand.
func Missing(ctx context.Context, kube kubernetes.Interface, namespace string, rights []Right, observe bool, page string) (found []orchestrator.SourceFinding, err error) {
	for _, one := range rights {
		if observe && (one.Helps || !one.reads()) {
			continue
		}
		where := "in namespace " + namespace
		attributes := &authv1.ResourceAttributes{Namespace: namespace, Group: one.Group, Resource: one.Resource, Verb: one.Verb}
		if one.Everywhere {
			where, attributes.Namespace = "in the cluster", ""
		}
		review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes}}
		answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if !answer.Status.Allowed {
			found = append(found, orchestrator.SourceFinding{
				Refused: !one.Helps, Found: fmt.Sprintf("the right to %s %s is missing", one, where), Next: "Give it to who the service is there: " + page + " lists all",
			})
		}
	}
	return found, nil
}
