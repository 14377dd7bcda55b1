# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: b3d951c4f8e6a8ca2f956a7378129846e0e366245085551b1010d6d3dcda2c01

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39, < 7.0"
    }
  }
}
