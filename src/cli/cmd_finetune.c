/* cmd_finetune.c - chalcis finetune: chalcis train from a model that there is
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

int ch_cmd_finetune(int argc, char **argv)
{
    return ch_cli_train(argc, argv, true);
}
