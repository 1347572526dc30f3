/**
 * What the app uses of AWS' packages. A megabyte of code that only deployments on AWS need, so it is a file of its own beside the bundle (see
 * `bundle.ts`), and whoever imports this is loaded with `import()`. One file for all services: most of it is what they share.
 */
export {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
export {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
export { getSignedUrl } from "@aws-sdk/cloudfront-signer";
export { Upload } from "@aws-sdk/lib-storage";
export { Signer } from "@aws-sdk/rds-signer";
export { createPresignedPost } from "@aws-sdk/s3-presigned-post";
export { generateAuthToken } from "aws-msk-iam-sasl-signer-js";
