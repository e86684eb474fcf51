"""The portal collector on AWS: a Step Functions definition and the ECS task it runs."""
