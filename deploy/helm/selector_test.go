package helm

import (
	"path/filepath"
	"reflect"
	"testing"
)

// sets are flags of releases that may follow one another.
var sets = map[string][]string{
	"least":             {"-f", "testdata/least.yaml"},
	"everything":        {"-f", "testdata/everything.yaml"},
	"with notify":       {"-f", "testdata/notify.yaml"},
	"everything at all": {"-f", "testdata/everything.yaml", "-f", "testdata/notify.yaml"},
}

// TestSelectorsFindTheirPods: each selector finds the pods of one deployment, and no other's. A schema does not see that.
func TestSelectorsFindTheirPods(t *testing.T) {
	for name, flags := range sets {
		pods := make(map[string]object) // labels, by deployment
		objects := renderAll(t, flags...)
		for _, o := range objects {
			if o["kind"] == "Deployment" {
				pods[at(t, o, "metadata", "name").(string)] = at(t, o, "spec", "template", "metadata", "labels").(object)
			}
		}
		for _, o := range objects {
			for where, labels := range selectors(t, o) {
				var found []string
				for deployment, has := range pods {
					if within(labels, has) {
						found = append(found, deployment)
					}
				}
				if len(found) != 1 {
					t.Errorf("%s: the %s of %v finds the pods of %v", name, where, at(t, o, "metadata", "name"), found)
				}
			}
		}
	}
}

// selectors returns what an object selects pods by.
func selectors(t *testing.T, o object) map[string]object {
	t.Helper()
	spec, _ := o["spec"].(object)
	switch o["kind"] {
	case "Service":
		return map[string]object{"selector": spec["selector"].(object)}
	case "PodDisruptionBudget":
		return map[string]object{"selector": at(t, spec, "selector", "matchLabels").(object)}
	case "NetworkPolicy":
		return map[string]object{"podSelector": at(t, spec, "podSelector", "matchLabels").(object)}
	case "Deployment":
		all := map[string]object{"selector": at(t, spec, "selector", "matchLabels").(object)}
		if spread, ok := at(t, spec, "template", "spec").(object)["topologySpreadConstraints"].([]any); ok {
			all["topologySpreadConstraints"] = at(t, spread, 0, "labelSelector", "matchLabels").(object)
		}
		return all
	}
	return nil
}

func within(labels, has object) bool {
	for name, value := range labels {
		if has[name] != value {
			return false
		}
	}
	return len(labels) > 0
}

// TestServiceMonitorFindsTheService: what it selects are labels of the service, and the port has that name there.
func TestServiceMonitorFindsTheService(t *testing.T) {
	objects := render(t, "everything.yaml")
	if labels := at(t, objects, "ServiceMonitor", "spec", "selector", "matchLabels").(object); !within(labels, at(t, objects, "Service", "metadata", "labels").(object)) {
		t.Errorf("no service has %v", labels)
	}
	asked, served := at(t, objects, "ServiceMonitor", "spec", "endpoints", 0, "port"), at(t, objects, "Service", "spec", "ports", 0, "name")
	if asked != served {
		t.Errorf("it asks for port %v, the service has %v", asked, served)
	}
}

// TestUpgradeChangesNothingImmutable: an API server refuses an upgrade, or a rollback, that changes how a deployment selects its pods.
// It must be the same with any values and in the next version of the chart, which is a package here, as people get it.
func TestUpgradeChangesNothingImmutable(t *testing.T) {
	dir := t.TempDir()
	if _, err := helm(t, "package", "lowcap-cdc", "--version", "99.0.0", "--app-version", "99.0.0", "--destination", dir); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(dir, "lowcap-cdc-99.0.0.tgz")
	known := make(map[string]any)
	for name, flags := range sets {
		for _, chart := range []string{"lowcap-cdc", next} {
			for deployment, selector := range immutable(t, chart, flags) {
				if before, seen := known[deployment]; seen && !reflect.DeepEqual(before, selector) {
					t.Errorf("%s, %s: %s selects %v, elsewhere %v", filepath.Base(chart), name, deployment, selector, before)
				}
				known[deployment] = selector
			}
		}
	}
	if len(known) != 2 {
		t.Errorf("the deployments are %v", known)
	}
}

// immutable returns the selector of each deployment.
func immutable(t *testing.T, chart string, flags []string) map[string]any {
	t.Helper()
	all := make(map[string]any)
	for _, o := range renderChart(t, chart, flags...) {
		if name := at(t, o, "metadata", "name").(string); o["kind"] == "Deployment" {
			all[name] = at(t, o, "spec", "selector")
		}
	}
	return all
}
