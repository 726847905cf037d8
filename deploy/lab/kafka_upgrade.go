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
	if err := raise(ctx, client, map[string]int16{metadata: supported[metadata]}); err != nil {
		return nil, err
	}
	if err := raise(ctx, client, levels); err != nil {
		return nil, err
	}
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

func raise(ctx context.Context, client *kgo.Client, levels map[string]int16) error {
	request := kmsg.NewPtrUpdateFeaturesRequest()
	request.TimeoutMillis = 20000
	for name, level := range levels {
		update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		update.Feature, update.MaxVersionLevel, update.UpgradeType = name, level, 1
		request.FeatureUpdates = append(request.FeatureUpdates, update)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	errs := []error{kerr.ErrorForCode(response.ErrorCode)}
	for _, result := range response.Results {
		if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
			errs = append(errs, fmt.Errorf("raise %s: %w", result.Feature, err))
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
