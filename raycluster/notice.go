package raycluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// terminating is the annotation by which whatever watches a provider's notices may say that a pod or a node will be taken away; its value says why.
const terminating = "nightshift.dev/terminating"

// taintsOfNotice are those by which a node says that it is about to go, or has gone (documentation of their makers, 2026-11).
var taintsOfNotice = map[string]string{
	"aws-node-termination-handler/spot-itn":                  "AWS takes the spot node back",
	"aws-node-termination-handler/asg-lifecycle-termination": "its scaling group ends the node",
	"aws-node-termination-handler/scheduled-maintenance":     "AWS maintains the node",
	"cloud.google.com/impending-node-termination":            "Google Cloud takes the node back",
	"karpenter.sh/disrupted":                                 "Karpenter removes the node",
	"karpenter.sh/disruption":                                "Karpenter removes the node", // before version 1
	"ToBeDeletedByClusterAutoscaler":                         "the cluster autoscaler removes the node",
	corev1.TaintNodeUnreachable:                              "the node does not answer",
	"node.cloudprovider.kubernetes.io/shutdown":              "the node is shut down",
	corev1.TaintNodeOutOfService:                             "the node is out of service",
}

// noticeOfNode says why a node is about to go, or has gone; empty: it stays.
func noticeOfNode(node *corev1.Node) string {
	if why, said := node.Annotations[terminating]; said {
		return "node " + node.Name + " goes: " + plain(why)
	}
	for _, taint := range node.Spec.Taints {
		// While the control plane was away all nodes are unreachable for a moment, which is no loss: NoExecute follows only where others answer.
		doubtful := taint.Key == corev1.TaintNodeUnreachable && taint.Effect != corev1.TaintEffectNoExecute
		if why := taintsOfNotice[taint.Key]; why != "" && !doubtful {
			return why + " (" + node.Name + ", taint " + taint.Key + ")"
		}
	}
	return ""
}

// noticeOfPod says why a pod is about to be taken away; empty: it stays. One that is being deleted has its own phase.
func noticeOfPod(pod *corev1.Pod) string {
	if why, said := pod.Annotations[terminating]; said {
		return "it is said to go: " + plain(why)
	}
	for _, one := range pod.Status.Conditions {
		if one.Type == corev1.DisruptionTarget && one.Status == corev1.ConditionTrue {
			return "it is disrupted: " + one.Reason
		}
	}
	return ""
}

// plain is what somebody else wrote, short and on one line.
func plain(text string) string {
	const most = 100
	if runes := []rune(strings.Join(strings.Fields(text), " ")); len(runes) > most {
		return string(runes[:most])
	} else if len(runes) > 0 {
		return string(runes)
	}
	return "no reason is given"
}
