# Images of jobs. A tag is written once; the SDK runs every job by digest.

resource "aws_ecr_repository" "this" {
  # checkov:skip=CKV_AWS_136:the images hold no secret; AES-256 costs no requests to a key
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  # Images with tags stay: analyses of any age may be run again, by the digest that they had.
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "What lost its push half-way"
      selection = {
        tagStatus   = "untagged"
        countType   = "sinceImagePushed"
        countUnit   = "days"
        countNumber = 14
      }
      action = { type = "expire" }
    }]
  })
}
