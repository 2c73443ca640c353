/* SPDX-License-Identifier: MIT */
#ifndef E2B_E2B_H
#define E2B_E2B_H

#include "e2b/base.h"
#include "e2b/client.h"
#include "e2b/code.h"
#include "e2b/command.h"
#include "e2b/error.h"
#include "e2b/files.h"
#include "e2b/future.h"
#include "e2b/handler.h"
#include "e2b/sandbox.h"
#include "e2b/terminal.h"
#include "e2b/websocket.h"

#endif
