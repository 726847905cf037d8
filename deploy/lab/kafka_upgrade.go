package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Upgrade stops the broker and starts one of another version on the same data, port and configuration.
func (k *Kafka) Upgrade(ctx context.Context, version string) (err error) {
	jars, err := kafkaJarsOf(ctx, version)
	if err != nil {
		return err
	}
	if err := k.Stop(); err != nil {
		return err
	}
	k.version, k.jars = version, jars
	return k.Start(ctx)
}

// RaiseFeatures raises the features of the cluster to what its broker has, as kafka-features.sh upgrade does after the last
// broker was upgraded: the metadata first, then the named ones to the levels given. It returns the levels that hold then.
func (k *Kafka) RaiseFeatures(ctx context.Context, levels map[string]int16) (map[string]int16, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const metadata = "metadata.version"
	supported, _, err := features(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := change(ctx, client, upgrade, map[string]int16{metadata: supported[metadata]}); err != nil {
		return nil, err
	}
	if err := change(ctx, client, upgrade, levels); err != nil {
		return nil, err
	}
	return untilFinalized(ctx, client, levels)
}

// untilFinalized waits until features have the levels given.
func untilFinalized(ctx context.Context, client *kgo.Client, levels map[string]int16) (map[string]int16, error) {
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, finalized, err := features(ctx, client)
		done := err == nil
		for name, level := range levels {
			done = done && finalized[name] == level
		}
		if done || time.Now().After(deadline) {
			return finalized, err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// SetTransactions sets the version of transactions of the cluster, up or down, as kafka-features.sh does, and waits until the
// broker says so.
func (k *Kafka) SetTransactions(ctx context.Context, version int16) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	const name = "transaction.version"
	_, finalized, err := features(ctx, client)
	if err != nil {
		return err
	}
	kind := int8(upgrade)
	if version < finalized[name] {
		kind = safeDowngrade
	}
	levels := map[string]int16{name: version}
	if err := change(ctx, client, kind, levels); err != nil {
		return err
	}
	if finalized, err = untilFinalized(ctx, client, levels); err == nil && finalized[name] != version {
		err = fmt.Errorf("%s stays %d", name, finalized[name])
	}
	return err
}

// The kinds of change of a feature, as UpdateFeatures has them.
const (
	upgrade       = 1
	safeDowngrade = 2
)

func change(ctx context.Context, client *kgo.Client, kind int8, levels map[string]int16) error {
	request := kmsg.NewPtrUpdateFeaturesRequest()
	request.TimeoutMillis = 20000
	for name, level := range levels {
		update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		update.Feature, update.MaxVersionLevel, update.UpgradeType = name, level, kind
		request.FeatureUpdates = append(request.FeatureUpdates, update)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	errs := []error{kerr.ErrorForCode(response.ErrorCode)}
	for _, result := range response.Results {
		if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
			errs = append(errs, fmt.Errorf("set %s: %w", result.Feature, err))
		}
	}
	return errors.Join(errs...)
}

// features returns up to which level the broker has each feature, and which level holds in the cluster.
func features(ctx context.Context, client *kgo.Client) (supported, finalized map[string]int16, err error) {
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "lowcap-lab", "1"
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	supported, finalized = make(map[string]int16), make(map[string]int16)
	for _, f := range response.SupportedFeatures {
		supported[f.Name] = f.MaxVersion
	}
	for _, f := range response.FinalizedFeatures {
		finalized[f.Name] = f.MaxVersionLevel
	}
	return supported, finalized, nil
}
