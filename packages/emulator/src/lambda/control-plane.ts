import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { FUNCTION_ARN, FUNCTION_NAME } from './environment.js';
import type { Fleet } from './fleet.js';

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
const PATH = /^\/2015-03-31\/functions\/([^/]+)\/configuration$/;
/** What may be updated: nothing that the function could notice. */
const Update = z.strictObject({ Description: z.string().max(256).optional() });

/** Whether a request is for Lambda itself and not for the function. */
export function isControl({ method, url = '' }: IncomingMessage): boolean {
  return method === 'PUT' && PATH.test(url);
}

/**
 * Answers UpdateFunctionConfiguration, whose use here is what it does on AWS besides: every execution environment is
 * replaced. It is answered when that is done, so nobody has to poll.
 */
export async function control(fleet: Fleet, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('Content-Type', 'application/json');
  const name = decodeURIComponent(PATH.exec(request.url ?? '')?.[1] ?? '');
  if (name !== FUNCTION_NAME) {
    const Message = `Function not found: ${name}; here it is ${FUNCTION_NAME}`;
    return refuse(response, 404, 'ResourceNotFoundException', { Type: 'User', Message });
  }
  if (!Update.safeParse(await json(request).catch(() => undefined)).success) {
    const Message = 'The emulator updates the Description and nothing else; send {}';
    return refuse(response, 400, 'InvalidParameterValueException', { Type: 'User', Message });
  }
  try {
    await fleet.restart();
  } catch (error) {
    const { message: Message } = error as Error;
    return refuse(response, 500, 'ServiceException', { Type: 'Service', Message });
  }
  const State = 'Active';
  const LastUpdateStatus = 'Successful';
  response.end(JSON.stringify({ FunctionName: FUNCTION_NAME, FunctionArn: FUNCTION_ARN, State, LastUpdateStatus }));
}

/** An error as Lambda itself answers it. */
export function refuse(response: ServerResponse, status: number, errorType: string, body: object): void {
  response.statusCode = status;
  response.setHeader('x-amzn-ErrorType', errorType).end(JSON.stringify(body));
}
