# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: 6af6992810e75a559e46d07548a4b893bdc1c1335f0a1c5b765f93cfda6c67a9

provider "aws" {
  region = "ap-northeast-2"

  # On everything but the machines, which take their tags from the group.
  default_tags {
    tags = {
      "scaleproof:stack" = "course"
    }
  }
}
