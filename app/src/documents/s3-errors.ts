import { S3ServiceException } from "../aws/aws-sdk";
import { StorageUnavailableError } from "./storage";

/** A HEAD has no body, so that only its status says what is missing; a bucket that is not there is found by the write that follows. */
export function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === "NoSuchKey" || error.name === "NotFound");
}

export async function asked<Result>(work: () => Promise<Result>): Promise<Result>;
export async function asked<Result>(work: () => Promise<Result>, absent: (error: unknown) => boolean): Promise<Result | undefined>;

/** Asks S3. @throws StorageUnavailableError with what it said; errors of local files as they are. */
export async function asked<Result>(
  work: () => Promise<Result>,
  absent: (error: unknown) => boolean = () => false,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (absent(error)) return undefined;
    const { syscall, path: file } = error as NodeJS.ErrnoException;
    if (syscall !== undefined && file !== undefined) throw error;
    throw new StorageUnavailableError(`The bucket of documents gave no answer (${(error as Error).name}: ${(error as Error).message}).`, {
      cause: error,
    });
  }
}
